/* SPDX-License-Identifier: MIT */
#pragma once

/* ad_dict: advertising data as the entries of an a{sv}. */

#include "adapter.h"

/* Appends name, services, appearance, tx_power, manufacturer_data and service_data, as far as the
 * two parts (advertising data and scan response; either may be empty) give them, into an open
 * a{sv}. Of manufacturer data of one company, and service data of one UUID, the last counts. */
void bus_ad_append(sd_bus_message *m, const uint8_t *adv, size_t adv_len, const uint8_t *resp,
                   size_t resp_len);
