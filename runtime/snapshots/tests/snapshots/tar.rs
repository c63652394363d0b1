//! Tars as the tests want them, also such as no tool writes.

/// A tar in the making.
#[derive(Clone, Default)]
pub(crate) struct Tar(Vec<u8>);

/// One header.
#[derive(Clone)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) kind: u8,
    pub(crate) size: u64,
    pub(crate) target: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) owner: u32,
}

impl Default for Header<'_> {
    fn default() -> Self {
        Self { name: b"x", kind: b'0', size: 0, target: b"", mode: 0o644, owner: 0 }
    }
}

impl Tar {
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(&Header { name: name.as_bytes(), ..Header::default() }, content)
    }

    pub(crate) fn folder(self, name: &str) -> Self {
        self.entry(&Header { name: name.as_bytes(), kind: b'5', mode: 0o755, ..Header::default() }, b"")
    }

    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        let header =
            Header { name: name.as_bytes(), kind: b'2', target: target.as_bytes(), mode: 0o777, ..Header::default() };
        self.entry(&header, b"")
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        let header = Header { name: name.as_bytes(), kind: b'1', target: target.as_bytes(), ..Header::default() };
        self.entry(&header, b"")
    }

    /// A pax header for the entry that follows.
    pub(crate) fn pax(self, key: &str, value: &[u8]) -> Self {
        let rest = key.len() + value.len() + 3;
        let length = (rest..).find(|length| length.to_string().len() + rest == *length).unwrap();
        let record = [format!("{length} {key}=").as_bytes(), value, b"\n"].concat();
        self.entry(&Header { name: b"pax", kind: b'x', ..Header::default() }, &record)
    }

    /// An entry whose header says how long it is.
    pub(crate) fn entry(self, header: &Header<'_>, content: &[u8]) -> Self {
        let mut tar = self.header(&Header { size: content.len() as u64, ..header.clone() });
        tar.0.extend_from_slice(content);
        tar.0.resize(tar.0.len().next_multiple_of(512), 0);
        tar
    }

    /// A header alone.
    pub(crate) fn header(mut self, header: &Header<'_>) -> Self {
        let mut block = [0_u8; 512];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        put(0, &header.name[..header.name.len().min(100)]);
        put(100, format!("{:07o}\0", header.mode).as_bytes());
        put(108, format!("{:07o}\0", header.owner).as_bytes());
        put(116, format!("{:07o}\0", header.owner).as_bytes());
        put(124, format!("{:011o}\0", header.size).as_bytes());
        put(136, b"14000000000\0");
        put(148, b"        ");
        put(156, &[header.kind]);
        put(157, &header.target[..header.target.len().min(100)]);
        put(257, b"ustar\x0000");
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self
    }

    /// The tar with its end.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }

    /// The tar as far as it is.
    pub(crate) fn cut(self) -> Vec<u8> {
        self.0
    }
}
