/* SPDX-License-Identifier: MIT */
#pragma once

/* adapter_iface: org.bled.Adapter1, as adapter.c tells it of changes. */

#include "adapter.h"

#define ADAPTER_IFACE "org.bled.Adapter1"

/* Change signals of Active and Mac; Mac alone; the signal Failed. */
void bus_adapter_iface_active_changed(struct bus_adapter *a);
void bus_adapter_iface_address_changed(struct bus_adapter *a);
void bus_adapter_iface_failed(struct bus_adapter *a, const char *why);
/* a->info has been read anew (a->known: not for the first time): change signals of what differs
 * from the old, and the address mode given to the host. */
void bus_adapter_iface_learned(struct bus_adapter *a, const struct bl_controller_info *old);

/* adapter_config.c: the configuration properties. */
int bus_config_get(sd_bus *sd, const char *path, const char *interface, const char *property,
                   sd_bus_message *reply, void *userdata, sd_bus_error *error);
int bus_config_set(sd_bus *sd, const char *path, const char *interface, const char *property,
                   sd_bus_message *value, void *userdata, sd_bus_error *error);
/* Pairable goes off after PairableTimeout: at the start, and to stop that. */
void bus_config_start(struct bus_adapter *a);
void bus_config_stop(struct bus_adapter *a);
/* The controller is known: the default address mode, and the host told of it. */
void bus_config_apply(struct bus_adapter *a);
/* BL_EV_NAME_WRITTEN: a peer has given us another name. */
void bus_config_on_name_written(struct bus_adapter *a, const struct bl_event *e);

/* adapter_tools.c: HciCommand, StartCapture, StopCapture, Stats. */
int bus_tools_hci_command(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_tools_start_capture(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_tools_stop_capture(sd_bus_message *m, void *userdata, sd_bus_error *error);
int bus_tools_stats(sd_bus_message *m, void *userdata, sd_bus_error *error);
