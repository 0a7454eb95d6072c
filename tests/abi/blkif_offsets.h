/* SPDX-License-Identifier: MIT */
/*
 * Where the fields of a blkif slot lie, counted by hand from the text of xen/io/blkif.h.
 *
 * i386 aligns an 8-byte integer to 4 bytes inside a struct, amd64 to 8; all else is at
 * its natural place in both. No struct of ours is involved: tests write and read slots at
 * these numbers, and header_offsets.c holds them against the header itself.
 */
#ifndef XENMETER_BLKIF_OFFSETS_H
#define XENMETER_BLKIF_OFFSETS_H

/* 1 byte each, in both: operation at 0; nr_segments, flag or indirect_op at 1. 2 bytes
 * at 2: handle, or an indirect request's nr_segments. */
#define WIRE_OPERATION 0
#define WIRE_SECOND    1
#define WIRE_THIRD     2

/* i386: 1 + 1 + 2, then id at 4, sector_number at 12, what follows at 20. */
#define I386_ID		4
#define I386_SECTOR	12
#define I386_SEG	20
#define I386_NR_SECTORS 20
#define I386_IND_HANDLE 20
#define I386_IND_GREFS	24  /* after 2 bytes of handle and 2 of padding */
#define I386_REQUEST	108 /* 20 + 11 segments of 8 */
#define I386_DISCARD	28
#define I386_INDIRECT	64 /* 24 + 8 references of 4, and the header's 8 of pad */
#define I386_RESPONSE	12 /* 8 + 1 + 1 of padding + 2 */

/* amd64: 1 + 1 + 2, 4 of padding, then id at 8, sector_number at 16, the rest at 24. */
#define AMD64_ID	 8
#define AMD64_SECTOR	 16
#define AMD64_SEG	 24
#define AMD64_NR_SECTORS 24
#define AMD64_IND_HANDLE 24
#define AMD64_IND_GREFS	 28
#define AMD64_REQUEST	 112
#define AMD64_DISCARD	 32
#define AMD64_INDIRECT	 64 /* 28 + 32, rounded up to 8 */
#define AMD64_RESPONSE	 16 /* 8 + 1 + 1 of padding + 2, and 4 more of padding */

/* A segment is the same in both. */
#define WIRE_SEGMENT   8
#define WIRE_SEG_GREF  0
#define WIRE_SEG_FIRST 4
#define WIRE_SEG_LAST  5

/* A response is the same in both, up to its end. */
#define WIRE_RSP_ID	   0
#define WIRE_RSP_OPERATION 8
#define WIRE_RSP_STATUS	   10

#endif
