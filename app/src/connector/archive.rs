//! stub
use super::*;
pub(super) fn records(_: &mut (impl Read+Seek), _: &mut Output<'_>) -> Result<Format> { Ok(Format::Zip) }
