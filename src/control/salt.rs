//! Randomness for assignment salts.

use crate::units::Salt;

/// A salt that nobody can guess.
///
/// # Errors
/// If the system has no random bits.
pub fn fresh_salt() -> Result<Salt, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(Salt::new(bytes))
}
