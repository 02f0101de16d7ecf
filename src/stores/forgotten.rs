//! What retention takes away.

/// What nobody needs any more, and the objects that held it.
#[derive(Clone, Debug)]
pub struct Forgotten {
    pub files: u64,
    pub objects: Vec<String>,
}
