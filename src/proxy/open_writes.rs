//! Clients whose writes one worker has under way: what a process that drains tells the one that has taken over, since these
//! may still change old's data.

use std::cell::RefCell;

use slab::Slab;

use crate::split::WriterCell;

/// Where those clients are kept count of.
#[derive(Debug, Default)]
pub(crate) struct OpenWrites(RefCell<Slab<WriterCell>>);

impl OpenWrites {
    /// A write begins, or a tunnel opens; the place that it leaves at its end.
    pub(crate) fn enter(&self, cell: WriterCell) -> usize {
        self.0.borrow_mut().insert(cell)
    }

    /// It has ended.
    pub(crate) fn leave(&self, place: usize) {
        self.0.borrow_mut().remove(place);
    }

    /// All of them, each client once.
    pub(crate) fn cells(&self) -> Vec<WriterCell> {
        let open = self.0.borrow();
        let mut cells: Vec<WriterCell> = open.iter().map(|(_, cell)| *cell).collect();
        cells.sort_unstable();
        cells.dedup();
        cells
    }
}
