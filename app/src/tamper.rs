//! pending
/// pending
pub struct T { 
    /// p
    pub rejected: u64, 
    /// p
    pub rows: u64, 
    /// p
    pub dimension: u64, 
    /// p
    pub constraints: u64, 
    /// p
    pub verify_ms: u64 }
/// pending
pub fn all(_: &std::path::Path, _: &std::path::Path, _: &std::path::Path, _: &mut dyn FnMut(&str)) -> crate::error::Result<T> { Ok(T{rejected:0,rows:0,dimension:0,constraints:0,verify_ms:0}) }
