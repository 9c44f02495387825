/* SPDX-License-Identifier: MIT */

/* names: what the Bluetooth SIG calls its UUIDs (Assigned Numbers, 3.4, 3.7, 3.8). */

#include "ctl.h"

#include <string.h>
#include <strings.h>

static const struct {
    uint16_t uuid;
    const char *name;
} NAMES[] = {
    {0x1800, "Generic Access"},
    {0x1801, "Generic Attribute"},
    {0x1802, "Immediate Alert"},
    {0x1803, "Link Loss"},
    {0x1804, "Tx Power"},
    {0x1805, "Current Time"},
    {0x1806, "Reference Time Update"},
    {0x1807, "Next DST Change"},
    {0x1808, "Glucose"},
    {0x1809, "Health Thermometer"},
    {0x180a, "Device Information"},
    {0x180d, "Heart Rate"},
    {0x180e, "Phone Alert Status"},
    {0x180f, "Battery"},
    {0x1810, "Blood Pressure"},
    {0x1811, "Alert Notification"},
    {0x1812, "Human Interface Device"},
    {0x1813, "Scan Parameters"},
    {0x1814, "Running Speed and Cadence"},
    {0x1815, "Automation IO"},
    {0x1816, "Cycling Speed and Cadence"},
    {0x1818, "Cycling Power"},
    {0x1819, "Location and Navigation"},
    {0x181a, "Environmental Sensing"},
    {0x181b, "Body Composition"},
    {0x181c, "User Data"},
    {0x181d, "Weight Scale"},
    {0x181e, "Bond Management"},
    {0x181f, "Continuous Glucose Monitoring"},
    {0x1820, "Internet Protocol Support"},
    {0x1821, "Indoor Positioning"},
    {0x1822, "Pulse Oximeter"},
    {0x1823, "HTTP Proxy"},
    {0x1824, "Transport Discovery"},
    {0x1825, "Object Transfer"},
    {0x1826, "Fitness Machine"},
    {0x1827, "Mesh Provisioning"},
    {0x1828, "Mesh Proxy"},
    {0x1829, "Reconnection Configuration"},
    {0x183a, "Insulin Delivery"},
    {0x183b, "Binary Sensor"},
    {0x183c, "Emergency Configuration"},
    {0x183e, "Physical Activity Monitor"},
    {0x1843, "Audio Input Control"},
    {0x1844, "Volume Control"},
    {0x1845, "Volume Offset Control"},
    {0x1846, "Coordinated Set Identification"},
    {0x1847, "Device Time"},
    {0x1848, "Media Control"},
    {0x1849, "Generic Media Control"},
    {0x184a, "Constant Tone Extension"},
    {0x184b, "Telephone Bearer"},
    {0x184c, "Generic Telephone Bearer"},
    {0x184d, "Microphone Control"},
    {0x184e, "Audio Stream Control"},
    {0x184f, "Broadcast Audio Scan"},
    {0x1850, "Published Audio Capabilities"},
    {0x1851, "Basic Audio Announcement"},
    {0x1852, "Broadcast Audio Announcement"},
    {0x2800, "Primary Service"},
    {0x2801, "Secondary Service"},
    {0x2802, "Include"},
    {0x2803, "Characteristic"},
    {0x2900, "Characteristic Extended Properties"},
    {0x2901, "Characteristic User Description"},
    {0x2902, "Client Characteristic Configuration"},
    {0x2903, "Server Characteristic Configuration"},
    {0x2904, "Characteristic Presentation Format"},
    {0x2905, "Characteristic Aggregate Format"},
    {0x2906, "Valid Range"},
    {0x2907, "External Report Reference"},
    {0x2908, "Report Reference"},
    {0x2909, "Number of Digitals"},
    {0x290a, "Value Trigger Setting"},
    {0x290b, "Environmental Sensing Configuration"},
    {0x290c, "Environmental Sensing Measurement"},
    {0x290d, "Environmental Sensing Trigger Setting"},
    {0x290e, "Time Trigger Setting"},
    {0x2a00, "Device Name"},
    {0x2a01, "Appearance"},
    {0x2a02, "Peripheral Privacy Flag"},
    {0x2a03, "Reconnection Address"},
    {0x2a04, "Peripheral Preferred Connection Parameters"},
    {0x2a05, "Service Changed"},
    {0x2a06, "Alert Level"},
    {0x2a07, "Tx Power Level"},
    {0x2a08, "Date Time"},
    {0x2a09, "Day of Week"},
    {0x2a0a, "Day Date Time"},
    {0x2a0f, "Local Time Information"},
    {0x2a12, "Time Accuracy"},
    {0x2a13, "Time Source"},
    {0x2a14, "Reference Time Information"},
    {0x2a18, "Glucose Measurement"},
    {0x2a19, "Battery Level"},
    {0x2a1c, "Temperature Measurement"},
    {0x2a1d, "Temperature Type"},
    {0x2a1e, "Intermediate Temperature"},
    {0x2a21, "Measurement Interval"},
    {0x2a22, "Boot Keyboard Input Report"},
    {0x2a23, "System ID"},
    {0x2a24, "Model Number String"},
    {0x2a25, "Serial Number String"},
    {0x2a26, "Firmware Revision String"},
    {0x2a27, "Hardware Revision String"},
    {0x2a28, "Software Revision String"},
    {0x2a29, "Manufacturer Name String"},
    {0x2a2a, "IEEE 11073-20601 Regulatory Certification Data List"},
    {0x2a2b, "Current Time"},
    {0x2a31, "Scan Refresh"},
    {0x2a32, "Boot Keyboard Output Report"},
    {0x2a33, "Boot Mouse Input Report"},
    {0x2a34, "Glucose Measurement Context"},
    {0x2a35, "Blood Pressure Measurement"},
    {0x2a36, "Intermediate Cuff Pressure"},
    {0x2a37, "Heart Rate Measurement"},
    {0x2a38, "Body Sensor Location"},
    {0x2a39, "Heart Rate Control Point"},
    {0x2a3f, "Alert Status"},
    {0x2a46, "New Alert"},
    {0x2a49, "Blood Pressure Feature"},
    {0x2a4a, "HID Information"},
    {0x2a4b, "Report Map"},
    {0x2a4c, "HID Control Point"},
    {0x2a4d, "Report"},
    {0x2a4e, "Protocol Mode"},
    {0x2a4f, "Scan Interval Window"},
    {0x2a50, "PnP ID"},
    {0x2a51, "Glucose Feature"},
    {0x2a52, "Record Access Control Point"},
    {0x2a53, "RSC Measurement"},
    {0x2a54, "RSC Feature"},
    {0x2a55, "SC Control Point"},
    {0x2a5a, "Aggregate"},
    {0x2a5b, "CSC Measurement"},
    {0x2a5c, "CSC Feature"},
    {0x2a5d, "Sensor Location"},
    {0x2a5e, "PLX Spot-Check Measurement"},
    {0x2a5f, "PLX Continuous Measurement"},
    {0x2a60, "PLX Features"},
    {0x2a63, "Cycling Power Measurement"},
    {0x2a64, "Cycling Power Vector"},
    {0x2a65, "Cycling Power Feature"},
    {0x2a66, "Cycling Power Control Point"},
    {0x2a67, "Location and Speed"},
    {0x2a68, "Navigation"},
    {0x2a6c, "Elevation"},
    {0x2a6d, "Pressure"},
    {0x2a6e, "Temperature"},
    {0x2a6f, "Humidity"},
    {0x2a70, "True Wind Speed"},
    {0x2a71, "True Wind Direction"},
    {0x2a76, "UV Index"},
    {0x2a77, "Irradiance"},
    {0x2a78, "Rainfall"},
    {0x2a7b, "Dew Point"},
    {0x2a8a, "First Name"},
    {0x2a8d, "Heart Rate Max"},
    {0x2a98, "Weight"},
    {0x2a9b, "Body Composition Feature"},
    {0x2a9c, "Body Composition Measurement"},
    {0x2a9d, "Weight Measurement"},
    {0x2a9e, "Weight Scale Feature"},
    {0x2aa4, "Bond Management Control Point"},
    {0x2aa5, "Bond Management Feature"},
    {0x2aa6, "Central Address Resolution"},
    {0x2aa7, "CGM Measurement"},
    {0x2acc, "Fitness Machine Feature"},
    {0x2ad2, "Indoor Bike Data"},
    {0x2ad9, "Fitness Machine Control Point"},
    {0x2ada, "Fitness Machine Status"},
    {0x2ac9, "Resolvable Private Address Only"},
    {0x2b29, "Client Supported Features"},
    {0x2b2a, "Database Hash"},
    {0x2b3a, "Server Supported Features"},
};

const char *ctl_uuid_name(const char *uuid)
{
    struct bl_uuid u;

    if (!bl_uuid_parse(uuid, &u) || !bl_uuid_is16(&u))
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (NAMES[i].uuid == bl_uuid_get16(&u))
            return NAMES[i].name;
    return NULL;
}

/* heart-rate, "Heart Rate" and heart_rate are one name. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        bool space = *a == ' ' && (*b == ' ' || *b == '-' || *b == '_');
        if (!space && strncasecmp(a, b, 1) != 0)
            return false;
    }
    return *a == *b;
}

bool ctl_uuid_parse(const char *text, char out[static UUID_TEXT_LEN])
{
    struct bl_uuid u;

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++)
        if (same_name(NAMES[i].name, text)) {
            u = bl_uuid_from16(NAMES[i].uuid);
            bl_uuid_format(&u, out);
            return true;
        }
    if (!bl_uuid_parse(text, &u))
        return false;
    bl_uuid_format(&u, out);
    return true;
}

const char *ctl_status_name(unsigned status)
{
    static char text[96];
    const char *name = "unknown";

    for (const struct ctl_status *s = ctl_statuses; s->name; s++)
        if (s->status == status)
            name = s->name;
    snprintf(text, sizeof(text), "%s (0x%03x)", status ? name : "done", status);
    return text;
}

void ctl_uuid_names(void (*each)(const char *uuid, const char *name))
{
    char text[UUID_TEXT_LEN];

    for (size_t i = 0; i < ARRAY_LEN(NAMES); i++) {
        struct bl_uuid u = bl_uuid_from16(NAMES[i].uuid);
        each(bl_uuid_format(&u, text), NAMES[i].name);
    }
}
