//! Where contents are: at a server, or in a folder of this machine.
//!
//! `dits://…` is an [`Address`]; `file:///nas/dits` and `/nas/dits` are a folder. In the first form `%` and two digits
//! stand for a byte, as in any URL. Pure: whether anything is there is seen by whoever goes there.

use crate::address::{Address, AddressError};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A place for contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A repository on a server.
    Server(Address),
    /// A folder, by its absolute path.
    Folder(PathBuf),
}

impl Location {
    /// Reads what a setting says.
    pub fn parse(text: &str) -> Result<Location, AddressError> {
        let folder = || AddressError::Folder(text.replace(char::is_control, "?"));
        let path = match text.strip_prefix("file://") {
            Some(rest) => unescaped(rest.strip_prefix("localhost").unwrap_or(rest)).ok_or_else(folder)?,
            None if text.starts_with('/') => text.as_bytes().to_vec(),
            None => return Address::parse(text).map(Location::Server),
        };
        if path.first() != Some(&b'/') || path.iter().any(u8::is_ascii_control) {
            return Err(folder());
        }
        Ok(Location::Folder(OsString::from_vec(path).into()))
    }

    /// The same place, as one that only a file of a repository names.
    #[must_use]
    pub fn named_by_repository(self) -> Location {
        match self {
            Location::Server(address) => Location::Server(Address { named_by_repository: true, ..address }),
            folder => folder,
        }
    }

    /// The server's address, if it is one.
    pub fn server(&self) -> Option<&Address> {
        match self {
            Location::Server(address) => Some(address),
            Location::Folder(_) => None,
        }
    }

    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Location::Server(_) => None,
            Location::Folder(path) => Some(path),
        }
    }
}

impl From<Address> for Location {
    fn from(address: Address) -> Location {
        Location::Server(address)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match self {
            Location::Server(address) => return address.fmt(f),
            Location::Folder(path) => path,
        };
        f.write_str("file://")?;
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' | b'+' | b'@' => {
                    write!(f, "{}", char::from(*byte))?;
                }
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// The bytes of a part of a URL; `None` where a `%` is not followed by two digits.
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push((digit()? << 4 | digit()?) as u8);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_servers_are_told_apart() {
        let folder = |text: &str| Location::parse(text).unwrap().folder().unwrap().to_owned();
        for (text, path) in [
            ("/nas/dits", "/nas/dits"),
            ("/nas/50%20", "/nas/50%20"),
            ("file:///nas/dits", "/nas/dits"),
            ("file://localhost/nas", "/nas"),
            ("file:///a%20b/%C3%A9", "/a b/é"),
        ] {
            assert_eq!(folder(text), Path::new(path), "{text}");
            assert_eq!(folder(&Location::parse(text).unwrap().to_string()), Path::new(path), "{text}");
        }
        assert!(Location::parse("dits://h/a").unwrap().server().is_some());
    }

    #[test]
    fn others_are_refused() {
        for text in [
            "file://host/nas",
            "file://nas",
            "file:///a%",
            "file:///a%0Ab",
            "file:///a%00",
            "nas/dits",
            "../x",
            "/a\nb",
        ] {
            assert!(Location::parse(text).is_err(), "{text}");
        }
        let said = Location::parse("https://h/a").unwrap_err().to_string();
        assert_eq!(said, "'https://h/a' is not a dits:// address");
    }
}
