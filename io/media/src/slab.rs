//! A table whose places are used again.

/// Rows by number; a number is free again when its row is taken out.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    rows: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            rows: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Slab<T> {
    pub(crate) fn insert(&mut self, row: T) -> u32 {
        if let Some(number) = self.free.pop() {
            if let Some(place) = self.rows.get_mut(number as usize) {
                *place = Some(row);
            }
            number
        } else {
            self.rows.push(Some(row));
            (self.rows.len() - 1) as u32
        }
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&T> {
        self.rows.get(number as usize)?.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.rows.get_mut(number as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, number: u32) -> Option<T> {
        let row = self.rows.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(row)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub(crate) fn numbers(&self) -> Vec<u32> {
        let used = (0_u32..).zip(&self.rows).filter(|(_, row)| row.is_some());
        used.map(|(number, _)| number).collect()
    }
}
