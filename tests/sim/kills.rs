//! `kill -9` at 200 instants of a ramp.
