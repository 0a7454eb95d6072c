/* SPDX-License-Identifier: MIT */
/*
 * The hand-counted offsets against xen/io/blkif.h as a 32-bit compiler lays it out:
 * compiled with -m32 -ffreestanding -fsyntax-only, so that no 32-bit libc is needed, and
 * once more with -m64.
 */
#include <stddef.h>
#include <stdint.h>
#include <xen/io/blkif.h>

#include "blkif_offsets.h"

#ifdef __i386__
#define HAND(name) I386_##name
#else
#define HAND(name) AMD64_##name
#endif

#define AT(type, member, offset)                                                         \
	_Static_assert(offsetof(struct type, member) == (offset), #type "." #member)
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), #type)

AT(blkif_request, operation, WIRE_OPERATION);
AT(blkif_request, nr_segments, WIRE_SECOND);
AT(blkif_request, handle, WIRE_THIRD);
AT(blkif_request, id, HAND(ID));
AT(blkif_request, sector_number, HAND(SECTOR));
AT(blkif_request, seg, HAND(SEG));
SIZE(blkif_request, HAND(REQUEST));

AT(blkif_request_segment, gref, WIRE_SEG_GREF);
AT(blkif_request_segment, first_sect, WIRE_SEG_FIRST);
AT(blkif_request_segment, last_sect, WIRE_SEG_LAST);
SIZE(blkif_request_segment, WIRE_SEGMENT);

AT(blkif_request_discard, operation, WIRE_OPERATION);
AT(blkif_request_discard, flag, WIRE_SECOND);
AT(blkif_request_discard, handle, WIRE_THIRD);
AT(blkif_request_discard, id, HAND(ID));
AT(blkif_request_discard, sector_number, HAND(SECTOR));
AT(blkif_request_discard, nr_sectors, HAND(NR_SECTORS));
SIZE(blkif_request_discard, HAND(DISCARD));

AT(blkif_request_indirect, operation, WIRE_OPERATION);
AT(blkif_request_indirect, indirect_op, WIRE_SECOND);
AT(blkif_request_indirect, nr_segments, WIRE_THIRD);
AT(blkif_request_indirect, id, HAND(ID));
AT(blkif_request_indirect, sector_number, HAND(SECTOR));
AT(blkif_request_indirect, handle, HAND(IND_HANDLE));
AT(blkif_request_indirect, indirect_grefs, HAND(IND_GREFS));
SIZE(blkif_request_indirect, HAND(INDIRECT));

AT(blkif_response, id, WIRE_RSP_ID);
AT(blkif_response, operation, WIRE_RSP_OPERATION);
AT(blkif_response, status, WIRE_RSP_STATUS);
SIZE(blkif_response, HAND(RESPONSE));

/* A slot is as long as the longest request. */
_Static_assert(sizeof(union blkif_sring_entry) == HAND(REQUEST), "slot");
_Static_assert(offsetof(struct blkif_sring, ring) == 64, "ring header");
_Static_assert(__CONST_RING_SIZE(blkif, 4096) == 32, "slots of one page");
