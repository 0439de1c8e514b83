//! One plan, one status, some entries and a fake control loop, for every test that needs them.
