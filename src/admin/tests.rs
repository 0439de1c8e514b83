//! Tests of the API as a whole.
