//! Growing a tree: only the nodes above new leaves are hashed again.

use super::{ARITY, Tree, capacity, nodes};
use crate::{Error, Field, Result};

impl Tree {
    /// Puts `leaves` behind the last one. Costs a node for each level, and one for every eight leaves.
    ///
    /// # Errors
    /// [`Error::Count`] when the tree's depth does not hold as many; the tree is unchanged.
    pub fn append(&mut self, leaves: &[Field]) -> Result<()> {
        let (count, capacity) = (self.count() + leaves.len() as u64, capacity(self.depth()));
        if count > capacity {
            return Err(Error::Count { count, capacity });
        }
        let mut first = self.levels[0].len();
        self.levels[0].extend_from_slice(leaves);
        for height in 0..self.depth() {
            let (below, above) = self.levels.split_at_mut(height + 1);
            first /= ARITY;
            above[0].truncate(first);
            above[0].extend(nodes(&below[height][first * ARITY..], self.empty[height]));
        }
        Ok(())
    }
}
