//! Which loopback address stands for which name.
//!
//! An address is numbered from 127.64.0.1 upwards and belongs to one name as long as the table has room.
//! Then the name that was used longest ago gives its address to the next one.

use std::collections::HashMap;
use std::net::Ipv4Addr;

/// The first address of 127.64.0.0/10 that is handed out.
const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 1]);

/// The bounded table of names and addresses.
pub(crate) struct Names {
    limit: usize,
    clock: u64,
    slots: Vec<Slot>,
    by_name: HashMap<String, usize>,
}

struct Slot {
    name: String,
    last_use: u64,
}

/// What asking for a name's address led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) address: Ipv4Addr,
    /// Nobody had the address before: it has no listeners yet.
    pub(crate) fresh: bool,
}

impl Names {
    /// An empty table for at most `limit` names.
    pub(crate) fn new(limit: usize) -> Self {
        Names { limit: limit.max(1), clock: 0, slots: Vec::new(), by_name: HashMap::new() }
    }

    /// The address that stands for `name` from now on.
    pub(crate) fn address_of(&mut self, name: &str) -> Given {
        self.clock += 1;
        if let Some(&index) = self.by_name.get(name) {
            self.slots[index].last_use = self.clock;
            return Given { address: address(index), fresh: false };
        }
        let slot = Slot { name: name.to_owned(), last_use: self.clock };
        let fresh = self.slots.len() < self.limit;
        let index = if fresh {
            self.slots.push(slot);
            self.slots.len() - 1
        } else {
            let oldest = self.oldest();
            self.by_name.remove(&self.slots[oldest].name);
            self.slots[oldest] = slot;
            oldest
        };
        self.by_name.insert(name.to_owned(), index);
        Given { address: address(index), fresh }
    }

    /// The name that `address` stands for now. A connection is a use of it.
    pub(crate) fn name_of(&mut self, address: Ipv4Addr) -> Option<String> {
        let index = usize::try_from(address.to_bits().checked_sub(FIRST)?).ok()?;
        let slot = self.slots.get_mut(index)?;
        self.clock += 1;
        slot.last_use = self.clock;
        Some(slot.name.clone())
    }

    /// Looks at every slot, which only a full table pays: some microseconds for 8,192.
    fn oldest(&self) -> usize {
        let by_use = self.slots.iter().enumerate().min_by_key(|(_, slot)| slot.last_use);
        by_use.map_or(0, |(index, _)| index)
    }
}

fn address(index: usize) -> Ipv4Addr {
    // The table's limit keeps the index far below the 4 million addresses of the range.
    Ipv4Addr::from_bits(FIRST.saturating_add(u32::try_from(index).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_address_and_every_name_has_its_own() {
        let mut names = Names::new(10);
        let given = names.address_of("a.example");
        assert_eq!(given, Given { address: Ipv4Addr::new(127, 64, 0, 1), fresh: true });
        assert_eq!(names.address_of("b.example").address, Ipv4Addr::new(127, 64, 0, 2));
        assert_eq!(names.address_of("a.example"), Given { fresh: false, ..given });
        assert_eq!(names.name_of(given.address).as_deref(), Some("a.example"));
    }

    #[test]
    fn a_full_table_gives_away_the_address_used_longest_ago() {
        let mut names = Names::new(2);
        let a = names.address_of("a").address;
        let b = names.address_of("b").address;
        names.name_of(a);
        assert_eq!(names.address_of("c"), Given { address: b, fresh: false });
        assert_eq!(names.name_of(b).as_deref(), Some("c"));
        assert_eq!(names.address_of("b").address, a, "`b` is new again, and `a` is the oldest now");
    }

    #[test]
    fn addresses_outside_the_table_stand_for_nothing() {
        let mut names = Names::new(2);
        names.address_of("a");
        for address in [[127, 0, 0, 1], [127, 64, 0, 0], [127, 64, 0, 2], [255, 255, 255, 255]] {
            assert_eq!(names.name_of(address.into()), None);
        }
    }

    #[test]
    fn the_last_address_is_within_127_64_slash_10() {
        assert_eq!(address(crate::limits::NAMES - 1), Ipv4Addr::new(127, 64, 32, 0));
    }
}
