// Part of the suite that contract_test.cc runs, compiled apart.

#include "tests/conformance/coordinator_contract_transactions.h"
#include "tests/conformance/coordinator_contract_watches.h"
