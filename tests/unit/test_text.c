/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as xenmeter prints them: they must fit their columns.
 */
#include <locale.h>

#include "check.h"
#include "text.h"

static void test_compact(void)
{
	static const struct {
		double value;
		const char *text;
	} known[] = {
		{ 0, "0" },	      { 7, "7" },
		{ 1.25, "1.2" },      { 99.94, "99.9" },
		{ 99.96, "100" },     { 9999, "9999" },
		{ 9999.4, "9999" },   { 9999.5, "10.0k" },
		{ 12345, "12.3k" },   { 99949, "99.9k" },
		{ 99950, "100k" },    { 999499, "999k" },
		{ 999500, "1.00M" },  { 1234567, "1.23M" },
		{ 9.994e6, "9.99M" }, { 9.9951e6, "10.0M" },
		{ 1e9, "1.00G" },     { 2.5e12, "2.50T" },
		{ 1e15, "1.00P" },    { 1.8446744073709552e19, "18.4E" },
	};
	char text[TEXT_NUMBER];
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		text_compact(text, known[i].value);
		CHECK_STR(text, known[i].text);
		CHECK(strlen(text) <= 5);
	}
}

static void test_seconds(void)
{
	char text[TEXT_NUMBER];

	text_seconds(text, 0);
	CHECK_STR(text, "0.000");
	text_seconds(text, 9.9994);
	CHECK_STR(text, "9.999");
	text_seconds(text, 4321.126);
	CHECK_STR(text, "4321.13");
	text_seconds(text, 1234567);
	CHECK_STR(text, "1234567");
}

static void test_percent(void)
{
	char text[TEXT_NUMBER];

	text_percent(text, 1, 3);
	CHECK_STR(text, "33.3");
	text_percent(text, 0, 5);
	CHECK_STR(text, "0.0");
	text_percent(text, 0, 0);
	CHECK_STR(text, "-");
}

static void test_names(void)
{
	static const uint8_t zero[16];
	static const uint8_t uuid[16] = {
		0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef
	};
	char text[TEXT_UUID];

	text_uuid(text, uuid);
	CHECK_STR(text, "12345678-9abc-def0-0123-456789abcdef");
	text_uuid(text, zero);
	CHECK_STR(text, "");
}

/* Names in UTF-8 were question marks; what moves the cursor is escaped, not printed. */
static void test_utf8(void)
{
	char name[] = "a\x1b[2Jb\n\xc3\xa9~ ";
	char broken[] = "\xc3(\xff\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80x\xe2\x82";
	char text[TEXT_NAME], small[8];

	text_clean(name);
	CHECK_STR(name, "a\x1b[2Jb\n\xc3\xa9~ ");
	text_escape(text, sizeof(text), name);
	CHECK_STR(text, "a\\x1b[2Jb\\x0a\xc3\xa9~ ");
	text_escape(text, sizeof(text),
		    "\xc2\x9b"
		    "1m\xe2\x80\xae"
		    "x\x7f");
	CHECK_STR(text, "\\x9b1m\\u202ex\\x7f");
	text_clean(broken);
	CHECK_STR(broken, "?(?"
			  "???"
			  "??"
			  "????"
			  "x??");
	text_escape(small, sizeof(small), "abc\xc3\xa9\xc3\xa9\xc3\xa9");
	CHECK_STR(small, "abc\xc3\xa9\xc3\xa9");
	text_ascii(name);
	CHECK_STR(name, "a?[2Jb???~ ");
}

static void test_cut(void)
{
	char name[32] = "a\xc3\xa9ro\xc3\xa9 wide \xe6\xbc\xa2\xe5\xad\x97";

	CHECK_EQ(text_width(name), 15);
	text_cut(name, 15);
	CHECK_EQ(text_width(name), 15);
	text_cut(name, 14);
	CHECK_STR(name, "a\xc3\xa9ro\xc3\xa9 wide \xe6\xbc\xa2\xe2\x80\xa6");
	text_cut(name, 13);
	CHECK_STR(name, "a\xc3\xa9ro\xc3\xa9 wide \xe2\x80\xa6");
	text_cut(name, 1);
	CHECK_STR(name, "\xe2\x80\xa6");
}

/* Numbers of docs/man/xen-vbd-interface. */
static void test_devices(void)
{
	static const struct {
		const char *name;
		uint32_t devid;
	} known[] = {
		{ "xvda", 51712 },     { "xvda1", 51713 },
		{ "xvdb", 51728 },     { "xvdp15", 51967 },
		{ "xvdq", 268439552 }, { "xvdaa", 268442112 },
		{ "hda", 768 },	       { "hdb2", 834 },
		{ "hdd63", 5759 },     { "sda", 2048 },
		{ "sdp15", 2303 },     { "xvda16", 268435472 },
		{ "12345", 12345 },    { "xvdza", 268435456 + 676 * 256 },
	};
	char text[TEXT_DEVICE];
	uint32_t devid;
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		CHECK_EQ(text_device_find(known[i].name, &devid), 0);
		CHECK_EQ(devid, known[i].devid);
		text_device(text, "vbd3", devid);
		CHECK_STR(text, known[i].name);
	}
	text_device(text, "vif", 51712);
	CHECK_STR(text, "51712");
	CHECK(text_device_find("xvd", &devid) && text_device_find("xvdA", &devid) &&
	      text_device_find("xvda256", &devid) && text_device_find("sdaa", &devid) &&
	      text_device_find("hde", &devid) && text_device_find("-1", &devid) &&
	      text_device_find("", &devid) && text_device_find("xvdaaaaaaaaa", &devid) &&
	      text_device_find("4294967296", &devid));
}

static void test_csv(void)
{
	char line[64] = "";
	FILE *f = fmemopen(line, sizeof(line), "w");

	CHECK(f);
	text_csv(f, "a \"b\", c");
	text_csv(f, "");
	fclose(f);
	CHECK_STR(line, "\"a \"\"b\"\", c\"\"\"");
}

int main(void)
{
	CHECK(setlocale(LC_CTYPE, "C.UTF-8"));
	test_compact();
	test_seconds();
	test_percent();
	test_names();
	test_utf8();
	test_cut();
	test_devices();
	test_csv();
	return 0;
}
