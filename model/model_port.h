/* SPDX-License-Identifier: MIT */
/* model_port.h - the inline functions of ring/port.h, for the models. */
#ifndef MODEL_MODEL_PORT_H
#define MODEL_MODEL_PORT_H

void model_fence_light(void);

static inline void sksi_fence_light(void)
{
    model_fence_light();
}

static inline void sksi_pause(void)
{
}

#endif
