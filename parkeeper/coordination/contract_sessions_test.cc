// Part of the suite that contract_test.cc runs, compiled apart.

#include "tests/conformance/coordinator_contract_concurrency.h"
#include "tests/conformance/coordinator_contract_pending.h"
#include "tests/conformance/coordinator_contract_property.h"
#include "tests/conformance/coordinator_contract_sessions.h"
