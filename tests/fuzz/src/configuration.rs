//! Whatever a file holds, reading it ends with a plan that can be described, or with faults that name a place.

use std::path::Path;

use changeover::{config, units::Timestamp};

pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // Relative paths lead nowhere, so that no file of this machine plays a part.
    match config::parse(text, Path::new("x.toml"), Path::new("/nonexistent")) {
        Ok(loaded) => {
            let page = config::describe(&loaded, Timestamp::from_micros(0), 100);
            assert!(page.contains("The ramp"), "{page}");
            assert!(!loaded.plan.ramp.steps.is_empty(), "a ramp without steps");
        }
        Err(faults) => {
            for fault in faults.as_slice() {
                let line = fault.to_string();
                assert!(
                    line.starts_with("x.toml:"),
                    "a fault without a place: {line}"
                );
            }
        }
    }
}
