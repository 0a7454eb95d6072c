/* SPDX-License-Identifier: MIT */
/* Grants: mapping, copying, what is refused, revocation, leaks. */
#include <sys/mman.h>
#include <xenevtchn.h>
#include <xengnttab.h>

#include "test.h"

#define PAGE 4096
#define RW   (PROT_READ | PROT_WRITE)

static xengntshr_handle *shr;
static xengnttab_handle *tab;

static xengnttab_grant_copy_segment_t segment(uint32_t ref, uint16_t offset, void *virt,
					      uint16_t len, int to_foreign)
{
	xengnttab_grant_copy_segment_t seg = { .len = len, .status = 99 };
	union xengnttab_copy_ptr *foreign = to_foreign ? &seg.dest : &seg.source;
	union xengnttab_copy_ptr *local = to_foreign ? &seg.source : &seg.dest;

	seg.flags = to_foreign ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
	foreign->foreign.ref = ref;
	foreign->foreign.offset = offset;
	foreign->foreign.domid = 1;
	local->virt = virt;
	return seg;
}

static int copy_status(uint32_t ref, uint16_t offset, void *virt, uint16_t len,
		       int to_foreign)
{
	xengnttab_grant_copy_segment_t seg = segment(ref, offset, virt, len, to_foreign);

	CHECK(!xengnttab_grant_copy(tab, 1, &seg));
	return seg.status;
}

static void test_map(void)
{
	uint32_t refs[4], bad[4], domids[4] = { 1, 1, 1, 1 };
	char *pages = xengntshr_share_pages(shr, 0, 4, refs, 1), *map;

	CHECK(pages && refs[0] >= 8);
	CHECK(!pages[0] && !pages[4 * PAGE - 1]);
	for (int i = 0; i < 4; i++)
		pages[i * PAGE] = 'a' + i;
	memcpy(bad, refs, sizeof(refs));
	bad[3] = refs[0], bad[0] = refs[3];
	map = xengnttab_map_grant_refs(tab, 4, domids, bad, RW);
	CHECK(map && map[0] == 'd' && map[PAGE] == 'b' && map[3 * PAGE] == 'a');
	map[1] = 'x';
	CHECK(pages[3 * PAGE + 1] == 'x');
	CHECK_ERRNO(xengnttab_unmap(tab, map + PAGE, 1) == -1, EINVAL);
	CHECK_ERRNO(xengnttab_unmap(tab, map, 3) == -1, EINVAL);
	CHECK(!xengnttab_unmap(tab, map, 4));
	CHECK_ERRNO(xengnttab_unmap(tab, map, 4) == -1, EINVAL);
	/* All or nothing. */
	bad[2] = 7;
	CHECK_ERRNO(!xengnttab_map_domain_grant_refs(tab, 4, 1, bad, RW), EINVAL);
	bad[2] = 1u << 31;
	CHECK_ERRNO(!xengnttab_map_domain_grant_refs(tab, 4, 1, bad, RW), EINVAL);
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 2, refs[0], RW), EINVAL);
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 77, refs[0], RW), EINVAL);
	CHECK_ERRNO(!xengnttab_map_grant_refs(tab, 0, domids, refs, RW), EINVAL);
	CHECK(!xengntshr_unshare(shr, pages, 4));
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 1, refs[0], RW), EINVAL);
}

static void test_permission(void)
{
	uint32_t ref, other;
	char *page = xengntshr_share_pages(shr, 0, 1, &ref, 0);
	char *theirs = xengntshr_share_pages(shr, 2, 1, &other, 1);
	char buf[8] = "secret", *map;

	CHECK(page && theirs);
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 1, ref, RW), EINVAL);
	map = xengnttab_map_grant_ref(tab, 1, ref, PROT_READ);
	CHECK(map);
	CHECK(!xengnttab_unmap(tab, map, 1));
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 1, other, PROT_READ), EINVAL);
	CHECK(copy_status(ref, 0, buf, 8, 1) == GNTST_general_error && !page[0]);
	CHECK(copy_status(ref, 0, buf, 8, 0) == GNTST_okay && !buf[0]);
	CHECK(copy_status(other, 0, buf, 8, 0) == GNTST_general_error);
	CHECK(!xengntshr_unshare(shr, page, 1) && !xengntshr_unshare(shr, theirs, 1));
}

static void test_copy(void)
{
	xengnttab_grant_copy_segment_t segs[4];
	uint32_t refs[2];
	char *pages = xengntshr_share_pages(shr, 0, 2, refs, 1);
	char buf[PAGE] = "hello", got[PAGE];

	CHECK(pages);
	segs[0] = segment(refs[0], PAGE - 8, buf, 8, 1);
	segs[1] = segment(7, 0, buf, 8, 1);
	segs[2] = segment(refs[1], 16, buf, 8, 1);
	segs[3] = segment(refs[0], PAGE - 8, got, 8, 0);
	CHECK(!xengnttab_grant_copy(tab, 4, segs));
	CHECK(segs[0].status == GNTST_okay && segs[1].status < 0);
	CHECK(segs[2].status == GNTST_okay && segs[3].status == GNTST_okay);
	CHECK(!strcmp(pages + PAGE - 8, "hello") && !strcmp(pages + PAGE + 16, "hello"));
	CHECK(!strcmp(got, "hello"));
	/* One that crosses its page spoils the call. */
	segs[1] = segment(refs[1], 1, buf, PAGE, 1);
	segs[0].status = 5;
	CHECK_ERRNO(xengnttab_grant_copy(tab, 4, segs) == -1, EINVAL);
	CHECK(segs[0].status == 5);
	/* From one foreign page to another. */
	segs[0] = segment(refs[0], PAGE - 8, NULL, 8, 0);
	segs[0].flags |= GNTCOPY_dest_gref;
	segs[0].dest.foreign.ref = refs[1];
	segs[0].dest.foreign.offset = 100;
	segs[0].dest.foreign.domid = 1;
	CHECK(!xengnttab_grant_copy(tab, 1, segs) && !segs[0].status);
	CHECK(!strcmp(pages + PAGE + 100, "hello"));
	segs[0].dest.foreign.domid = 99;
	CHECK(!xengnttab_grant_copy(tab, 1, segs) && segs[0].status == GNTST_bad_domain);
	CHECK(copy_status(1u << 20, 0, buf, 8, 0) == GNTST_bad_gntref);
	CHECK(!xengntshr_unshare(shr, pages, 2));
	CHECK(copy_status(refs[0], 0, buf, 8, 0) == GNTST_general_error);
}

static void test_unshare_mapped(void)
{
	uint32_t ref, again;
	char *page = xengntshr_share_pages(shr, 0, 1, &ref, 1), *map, *next;

	CHECK(page);
	map = xengnttab_map_grant_ref(tab, 1, ref, RW);
	CHECK(map);
	strcpy(page, "kept");
	CHECK(!xengntshr_unshare(shr, page, 1));
	CHECK(!strcmp(map, "kept"));
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 1, ref, RW), EINVAL);
	/* While it is mapped its reference is not given out. */
	next = xengntshr_share_pages(shr, 0, 1, &again, 1);
	CHECK(next && again != ref && !strcmp(map, "kept"));
	CHECK(!xengntshr_unshare(shr, next, 1));
	CHECK(!xengnttab_unmap(tab, map, 1));
	next = xengntshr_share_pages(shr, 0, 1, &again, 1);
	CHECK(next && again == ref && !*next);
	CHECK(!xengntshr_unshare(shr, next, 1));
}

static void test_notify(void)
{
	xenevtchn_handle *front, *back;
	uint32_t ref;
	char *page, *map;
	int f, b;

	as_domain(1);
	front = xenevtchn_open(NULL, 0);
	as_domain(0);
	back = xenevtchn_open(NULL, 0);
	CHECK(front && back);
	f = xenevtchn_bind_unbound_port(front, 0);
	b = xenevtchn_bind_interdomain(back, 1, f);
	CHECK(b > 0 && xenevtchn_pending(back) == b && !xenevtchn_unmask(back, b));
	page = xengntshr_share_page_notify(shr, 0, &ref, 1, 10, f);
	CHECK(page);
	CHECK_ERRNO(!xengnttab_map_grant_ref_notify(tab, 1, ref, RW, 4096, -1), EINVAL);
	CHECK_ERRNO(!xengnttab_map_grant_ref_notify(tab, 1, ref, RW, -1, 4000), EINVAL);
	map = xengnttab_map_grant_ref_notify(tab, 1, ref, RW, 20, b);
	CHECK(map);
	memset(page, 1, 32);
	CHECK(!xengnttab_unmap(tab, map, 1));
	CHECK(!page[20] && page[10] && xenevtchn_pending(front) == f);
	map = xengnttab_map_grant_ref(tab, 1, ref, RW);
	CHECK(map);
	/* The port stays for the notification, even though its handle goes. */
	CHECK(!xenevtchn_close(front));
	CHECK(!xengntshr_unshare(shr, page, 1));
	CHECK(!map[10] && xenevtchn_pending(back) == b);
	CHECK(!xengnttab_unmap(tab, map, 1) && !xenevtchn_close(back));
}

static void test_faults(void)
{
	uint32_t ref;
	char *page = xengntshr_share_pages(shr, 0, 1, &ref, 1), buf[8], *map;

	CHECK(page);
	CHECK(!simxl("fault copy 1 2 -12") && !simxl("fault map 1 1"));
	CHECK(copy_status(ref, 0, buf, 8, 0) == GNTST_okay);
	CHECK(copy_status(ref, 0, buf, 8, 0) == GNTST_eagain);
	CHECK(copy_status(ref, 0, buf, 8, 0) == GNTST_okay);
	CHECK(!xengnttab_map_grant_ref(tab, 1, ref, RW));
	map = xengnttab_map_grant_ref(tab, 1, ref, RW);
	CHECK(map);
	CHECK(!simxl("fault copy 1 1 -1") && !simxl("fault clear 1"));
	CHECK(copy_status(ref, 0, buf, 8, 0) == GNTST_okay);
	CHECK(!simxl("revoke 1 %u", ref) && simxl("revoke 1 %u 2>/dev/null", ref) == 1);
	CHECK(copy_status(ref, 0, buf, 8, 0) == GNTST_general_error);
	*page = 'y';
	CHECK(*map == 'y');
	CHECK(!xengnttab_unmap(tab, map, 1) && !xengntshr_unshare(shr, page, 1));
}

static void test_limit(void)
{
	uint32_t refs[3];
	char *pages = xengntshr_share_pages(shr, 0, 3, refs, 1), *map;

	CHECK(pages && !xengnttab_set_max_grants(tab, 2));
	CHECK_ERRNO(!xengnttab_map_domain_grant_refs(tab, 3, 1, refs, RW), ENOMEM);
	map = xengnttab_map_domain_grant_refs(tab, 2, 1, refs, RW);
	CHECK(map);
	CHECK_ERRNO(!xengnttab_map_grant_ref(tab, 1, refs[2], RW), ENOMEM);
	CHECK(!xengnttab_unmap(tab, map, 2) && !xengnttab_set_max_grants(tab, 0));
	/* Part of what was shared together. */
	CHECK(!xengntshr_unshare(shr, pages + PAGE, 1));
	CHECK_ERRNO(xengntshr_unshare(shr, pages, 3) == -1, EINVAL);
	CHECK(!xengntshr_unshare(shr, pages, 1) &&
	      !xengntshr_unshare(shr, pages + 2 * PAGE, 1));
}

int main(void)
{
	uint32_t ref;

	host_up(2);
	as_domain(1);
	shr = xengntshr_open(NULL, 0);
	as_domain(0);
	tab = xengnttab_open(NULL, 0);
	CHECK(shr && tab && xengnttab_fd(tab) >= 0 && xengntshr_fd(shr) >= 0);
	test_map();
	test_permission();
	test_copy();
	test_unshare_mapped();
	test_notify();
	test_faults();
	test_limit();
	/* Left over on purpose: both handles count as leaks. */
	CHECK(xengntshr_share_pages(shr, 0, 1, &ref, 1));
	CHECK(xengnttab_map_grant_ref(tab, 1, ref, RW));
	CHECK(!xengnttab_close(tab) && !xengntshr_close(shr));
	/* test_notify() closed two handles with ports on purpose. */
	host_down(1);
	return 0;
}
