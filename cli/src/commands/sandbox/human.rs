//! Sizes, spans of time and ages, as people write and read them.

use std::time::Duration;

use jiff::Timestamp;

/// Reads `512M`, `2G`, `1.5GiB`, `1000`: bytes, in powers of 1,024.
pub(super) fn read_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write `512M`, `2G` or a number of bytes");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let power = match unit.trim_end_matches("iB").trim_end_matches('B') {
        "" => 0,
        "K" | "k" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * 1024_f64.powi(power);
    // 2^53: as far as a float counts in ones.
    if bytes.is_finite() && (1.0..=9e15).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

/// Reads `1.5` processors as thousandths of one.
pub(super) fn read_cpus(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no number of processors: write `1`, `0.5` or `2`");
    let number: f64 = text.parse().map_err(|_| wrong())?;
    let millis = (number * 1000.0).round();
    if (1.0..=1e9).contains(&millis) { Ok(millis as u64) } else { Err(wrong()) }
}

/// Reads `90s`, `10m`, `8h`, `1h30m`, `2d` as seconds.
pub(super) fn read_span(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no span of time: write `90s`, `10m`, `8h` or `2d`");
    let (mut seconds, mut number) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return Err(wrong()),
        };
        let part: u64 = number.parse().map_err(|_| wrong())?;
        seconds = part.checked_mul(unit).and_then(|part| seconds.checked_add(part)).ok_or_else(wrong)?;
        number.clear();
    }
    // A hundred years: beyond, what adds it to a date would fail.
    if number.is_empty() && (1..=3_153_600_000).contains(&seconds) { Ok(seconds) } else { Err(wrong()) }
}

/// `1.4 GiB`
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// `45s`, `12m`, `3h`, `2d`: since when.
pub(super) fn age(since: Timestamp, now: Timestamp) -> String {
    span(Duration::from_secs(u64::try_from(now.duration_since(since).as_secs()).unwrap_or(0)))
}

/// `45s`, `12m`, `3h`, `2d`
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ ..120 => format!("{seconds}s"),
        seconds @ ..7200 => format!("{}m", seconds / 60),
        seconds @ ..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [("2G", 2 << 30), ("512M", 512 << 20), ("1.5GiB", 3 << 29), ("1000", 1000), ("1kB", 1024)]
        {
            assert_eq!(read_size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "G", "-1", "2X", "1e300T", "0", "nan"] {
            assert!(read_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!((size(1000), size(1 << 20), size(3 << 29)), ("1000 B".into(), "1.0 MiB".into(), "1.5 GiB".into()));
    }

    #[test]
    fn spans_add_up() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5400), ("2d", 172_800)] {
            assert_eq!(read_span(text), Ok(seconds), "{text}");
        }
        for wrong in ["", "10", "m", "-1s", "99999999999999999999d", "1w", "0s"] {
            assert!(read_span(wrong).is_err(), "{wrong}");
        }
        assert_eq!((read_cpus("1.5"), read_cpus("0").is_err()), (Ok(1500), true));
    }
}
