/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _GREEN_SWITCH_H
#define _GREEN_SWITCH_H

struct green_switch;

int green_switch(const struct green_switch *req);

#endif /* _GREEN_SWITCH_H */
