//! A table whose rows keep their number, with a generation that tells a new row from an old one.

/// Rows by number. A freed number is used again with the next generation.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    rows: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab {
            rows: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Adds a row; returns its number and generation.
    pub(crate) fn insert(&mut self, row: T) -> (u32, u32) {
        if let Some(number) = self.free.pop()
            && let Some((generation, slot)) = self.rows.get_mut(number as usize)
        {
            *slot = Some(row);
            return (number, *generation);
        }
        let number = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push((0, Some(row)));
        (number, 0)
    }

    #[inline]
    pub(crate) fn at(&self, (number, generation): (u32, u32)) -> Option<&T> {
        self.rows
            .get(number as usize)
            .filter(|row| row.0 == generation)?
            .1
            .as_ref()
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, (number, generation): (u32, u32)) -> Option<&mut T> {
        self.rows
            .get_mut(number as usize)
            .filter(|row| row.0 == generation)?
            .1
            .as_mut()
    }

    pub(crate) fn remove(&mut self, id: (u32, u32)) -> Option<T> {
        let (generation, slot) = self.rows.get_mut(id.0 as usize).filter(|row| row.0 == id.1)?;
        let row = slot.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(id.0);
        Some(row)
    }

    /// Every row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.rows.iter().filter_map(|(_, row)| row.as_ref())
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_number_comes_back_as_another_generation() {
        let mut slab = Slab::new();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!((first.0, slab.at(first)), (second.0, None));
        assert_eq!((slab.at(second), slab.len()), (Some(&'b'), 1));
    }
}
