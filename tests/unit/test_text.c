/* SPDX-License-Identifier: MIT */
/*
 * Numbers and names as xenmeter prints them: they must fit their columns.
 */
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
	char name[] = "a\x1b[2Jb\n\xc3\xa9~ ";
	char text[TEXT_UUID];

	text_clean(name);
	CHECK_STR(name, "a?[2Jb???~ ");
	text_uuid(text, uuid);
	CHECK_STR(text, "12345678-9abc-def0-0123-456789abcdef");
	text_uuid(text, zero);
	CHECK_STR(text, "");
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
	test_compact();
	test_seconds();
	test_percent();
	test_names();
	test_csv();
	return 0;
}
