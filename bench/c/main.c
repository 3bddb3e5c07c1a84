/* SPDX-License-Identifier: MIT */
/*
 * main.c - main() of a peer whose file was compiled for items of 8 and 64 bytes.
 */
#include "harness.h"

void work8(const struct conf *c);
void work64(const struct conf *c);

int main(int argc, char **argv)
{
    struct conf c = conf_parse(argc, argv);

    if (c.size == 8)
        work8(&c);
    else if (c.size == 64)
        work64(&c);
    else
        die("size=%u: must be 8 or 64", c.size);
    return 0;
}
