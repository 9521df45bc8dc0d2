//! What survives a restart: values in files that are never half written.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::{Serialize, de::DeserializeOwned};

/// A value in a JSON file; without a file it is forgotten at the end.
#[derive(Debug)]
pub struct Kept<T> {
    file: Option<PathBuf>,
    value: T,
}

impl<T: Serialize + DeserializeOwned + Default> Kept<T> {
    /// Reads the file, or begins with the default where there is none yet.
    ///
    /// # Errors
    /// The file is there and cannot be read, or holds something else.
    pub fn open(file: Option<PathBuf>) -> anyhow::Result<Self> {
        let value = match &file {
            Some(file) => read(file)?,
            None => T::default(),
        };
        Ok(Self { file, value })
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Takes another value; the old one stays if the new one cannot be written.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set(&mut self, value: T) -> anyhow::Result<()> {
        if let Some(file) = &self.file {
            write(file, &value).with_context(|| format!("cannot write {}", file.display()))?;
        }
        self.value = value;
        Ok(())
    }
}

fn read<T: DeserializeOwned + Default>(file: &Path) -> anyhow::Result<T> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    serde_json::from_slice(&text)
        .with_context(|| format!("{} holds something else; name another file", file.display()))
}

/// Writes beside the file and moves it there: whoever reads sees the old value or the new one, also after a power cut.
fn write<T: Serialize>(file: &Path, value: &T) -> anyhow::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut new = File::create(&beside)?;
    new.write_all(&serde_json::to_vec(value)?)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(name: &str) -> PathBuf {
        let file = std::env::temp_dir().join(format!("trefoil-store-{}-{name}.json", std::process::id()));
        let _ = fs::remove_file(&file);
        file
    }

    #[test]
    fn a_value_is_there_again() {
        let file = fresh("again");
        let mut kept = Kept::<Vec<u32>>::open(Some(file.clone())).unwrap();
        assert!(kept.value().is_empty());
        kept.set(vec![1, 2]).unwrap();
        assert_eq!(
            Kept::<Vec<u32>>::open(Some(file.clone())).unwrap().value(),
            &[1, 2]
        );
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_not_taken_and_what_cannot_be_read_is_told() {
        let nowhere = PathBuf::from("no/such/folder/file.json");
        let mut kept = Kept::<Vec<u32>>::open(Some(nowhere)).unwrap();
        assert!(kept.set(vec![1]).is_err());
        assert!(kept.value().is_empty());
        let file = fresh("else");
        fs::write(&file, "half a val").unwrap();
        let error = format!("{:#}", Kept::<Vec<u32>>::open(Some(file.clone())).unwrap_err());
        assert!(error.contains("name another file"), "{error}");
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn without_a_file_it_is_kept_until_the_end() {
        let mut kept = Kept::<Vec<u32>>::open(None).unwrap();
        kept.set(vec![3]).unwrap();
        assert_eq!(kept.value(), &[3]);
    }
}
