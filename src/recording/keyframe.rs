//! Everything that the control loop knows at one moment: where a replay can begin.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use serde::{Deserialize, Serialize};

use crate::{
    cutover::{Basis, State},
    plan::Numbers,
    recording::CodingError,
    units::Timestamp,
};

/// What the control loop knows, but for the windows that triggers read: they fill again from what was measured before it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyframe {
    /// What comes before it.
    pub follows: Follows,
    /// When.
    pub at: Timestamp,
    /// The version of the program.
    pub version: String,
    /// The file that the plan in force was read from.
    pub text: String,
    /// The numbers of that edition.
    pub numbers: Numbers,
    /// What the core remembers.
    pub state: State,
    /// What was gathered.
    pub basis: Basis,
}

/// What comes before a keyframe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Follows {
    /// Nothing: the process begins, and its windows are empty.
    Start,
    /// Something that was not recorded.
    Gap,
    /// Everything since the keyframe before.
    Everything,
}

impl Keyframe {
    /// How it is kept.
    ///
    /// # Errors
    /// [`CodingError`], where a part has no form in JSON.
    pub fn encode(&self) -> Result<Vec<u8>, CodingError> {
        let text = serde_json::to_vec(self)?;
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&text)?;
        Ok(packed.finish()?)
    }

    /// What was kept.
    ///
    /// # Errors
    /// [`CodingError`], where it is none, or of another version.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodingError> {
        let mut text = Vec::new();
        ZlibDecoder::new(bytes)
            .take(LARGEST)
            .read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Far more than the evidence of ten thousand slots and a plan take.
const LARGEST: u64 = 256 << 20;
