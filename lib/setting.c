// SPDX-License-Identifier: GPL-2.0
#include "setting.h"

#include <stdio.h>
#include <string.h>

#include "attach.h"
#include "names.h"

/* A lifetime of less than a second is below the sweep's; nobody is there any more who has renewed
 * nothing for a day. */
#define LIFETIME_LEAST 1000
#define LIFETIME_MOST (24 * 3600 * 1000)
#define SECOND 1000

static __u32 *field(const struct turnctl_setting *setting, const struct turn_config *config)
{
	return (__u32 *)((char *)config + setting->field);
}

static bool format_time(const struct turnctl_setting *setting, const struct turn_config *config,
			unsigned int index, char *buf, size_t size)
{
	__u64 value = *field(setting, config);
	__u64 ms = setting->step ? value * setting->step
				 : (value * 1000 + config->hz / 2) / config->hz;

	snprintf(buf, size, "%g", ms / 1000.0);
	return !index;
}

static bool format_listener(const struct turnctl_setting *setting __attribute__((unused)),
			    const struct turn_config *config, unsigned int index, char *buf,
			    size_t size)
{
	if (index >= TURN_LISTENERS || !config->listener[index].port)
		return false;
	turnctl_listener_format(&config->listener[index], buf, size);
	return true;
}

static bool format_external(const struct turnctl_setting *setting __attribute__((unused)),
			    const struct turn_config *config, unsigned int index, char *buf,
			    size_t size)
{
	if (index >= TURN_EXTERNAL || !config->external[index].pub.v4)
		return false;
	turnctl_external_format(&config->external[index], buf, size);
	return true;
}

static bool format_channels(const struct turnctl_setting *setting __attribute__((unused)),
			    const struct turn_config *config, unsigned int index, char *buf,
			    size_t size)
{
	snprintf(buf, size, "%u", config->max_channels);
	return !index;
}

static bool format_mode(const struct turnctl_setting *setting __attribute__((unused)),
			const struct turn_config *config, unsigned int index, char *buf,
			size_t size)
{
	snprintf(buf, size, "%s", turnctl_mode_name(config->mode));
	return !index;
}

#define TIME(member) \
	.number = true, .format = format_time, .field = offsetof(struct turn_config, member)
#define LIFETIME(member) \
	TIME(member), .least = LIFETIME_LEAST, .most = LIFETIME_MOST, .step = SECOND

/* turnctl-config(8) lists them in this order */
const struct turnctl_setting turnctl_settings[] = {
	{ .name = "heartbeat", .help = "how often the server gets a packet", .attach = true,
	  TIME(heartbeat), .least = TURNCTL_HEARTBEAT_LEAST, .most = TURNCTL_HEARTBEAT_MOST },
	{ .name = "channel-lifetime", .help = "granted by ChannelBind",
	  LIFETIME(channel_lifetime) },
	{ .name = "permission-lifetime", .help = "by CreatePermission and ChannelBind",
	  LIFETIME(permission_lifetime) },
	{ .name = "allocation-lifetime", .help = "by Allocate without LIFETIME",
	  LIFETIME(allocation_lifetime) },
	{ .name = "listen", .attach = true, .format = format_listener },
	{ .name = "external-ip", .attach = true, .format = format_external },
	{ .name = "max-channels", .attach = true, .number = true, .format = format_channels },
	{ .name = "mode", .attach = true, .format = format_mode },
	{},
};

const struct turnctl_setting *turnctl_setting_find(const char *name)
{
	const struct turnctl_setting *setting;

	for (setting = turnctl_settings; setting->name; setting++)
		if (!strcmp(setting->name, name))
			return setting;
	return NULL;
}

bool turnctl_setting_is_time(const struct turnctl_setting *setting)
{
	return setting->most;
}

bool turnctl_setting_fits(const struct turnctl_setting *setting, unsigned int ms)
{
	return ms >= setting->least && ms <= setting->most &&
	       (!setting->step || !(ms % setting->step));
}

int turnctl_setting_change(const char *name, const struct turnctl_setting *setting,
			   unsigned int ms, struct turnctl_error *err)
{
	struct turnctl_instance instance;
	struct turn_config config;
	int code = turnctl_instance_open(&instance, name, true, err);

	if (code)
		return code;
	code = turnctl_config_read(&instance, &config, err);
	if (!code) {
		*field(setting, &config) = setting->step ? ms / setting->step
							 : (__u64)ms * config.hz / 1000;
		code = turnctl_config_write(&instance, &config, err);
	}
	turnctl_instance_close(&instance);
	return code;
}
