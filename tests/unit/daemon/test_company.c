/* SPDX-License-Identifier: MIT */
/* company: known numbers have names, others have none. */
#include "company.h"

#include <check.h>
#include <stdlib.h>

START_TEST(numbers_have_their_companies_names)
{
    ck_assert_str_eq(company_name(NULL, 2), "Intel Corp.");
    ck_assert_str_eq(company_name(NULL, 15), "Broadcom Corporation");
}
END_TEST

START_TEST(numbers_of_nobody_have_none)
{
    ck_assert_ptr_null(company_name(NULL, 0xfffe));
    ck_assert_ptr_null(company_name(NULL, 0xffff)); /* reserved for tests */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/company");
    TCase *c = tcase_create("company");
    tcase_add_test(c, numbers_have_their_companies_names);
    tcase_add_test(c, numbers_of_nobody_have_none);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
