//! One DNS query in, one answer out: pure, so that hostile bytes can be tried by the thousand.
//!
//! Every name that could be a host has an address and nothing else. Whether it exists is not known here and not
//! asked anywhere: no byte of a query leaves the sandbox.

use std::net::Ipv4Addr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{DNSClass, RData, Record, RecordType};

use crate::limits;

/// The answer to `query`, or nothing where the bytes are no query. `address_of` gives a name its address.
pub(crate) fn answer(query: &[u8], address_of: impl FnOnce(&str) -> Ipv4Addr) -> Option<Vec<u8>> {
    let response = match Message::from_vec(query) {
        Ok(message) if message.metadata.message_type == MessageType::Query => respond(&message, address_of),
        Ok(_) => return None,
        Err(_) => Message::error_msg(id_of_a_query(query)?, OpCode::Query, ResponseCode::FormErr),
    };
    response.to_vec().ok()
}

/// The identifier of a packet whose header says that it is a query, however broken the rest is.
fn id_of_a_query(packet: &[u8]) -> Option<u16> {
    let header = packet.first_chunk::<12>()?;
    let is_query = header[2] & 0x80 == 0;
    is_query.then_some(u16::from_be_bytes([header[0], header[1]]))
}

fn respond(request: &Message, address_of: impl FnOnce(&str) -> Ipv4Addr) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.recursion_available = true;
    if request.edns.is_some() {
        response.set_edns(Edns::new());
    }
    let [query] = request.queries.as_slice() else {
        response.metadata.response_code = ResponseCode::FormErr;
        return response;
    };
    response.add_query(query.clone());
    if request.metadata.op_code != OpCode::Query {
        response.metadata.response_code = ResponseCode::NotImp;
        return response;
    }
    match look_up(query) {
        Found::Nothing => response.metadata.response_code = ResponseCode::NXDomain,
        Found::NoSuchRecord => {}
        Found::Loopback => add_address(&mut response, query, Ipv4Addr::LOCALHOST),
        Found::Name(name) => add_address(&mut response, query, address_of(&name)),
    }
    response
}

enum Found {
    /// No such name.
    Nothing,
    /// The name exists, a record of this type does not: AAAA, HTTPS (and with it ECH), TXT, MX …
    NoSuchRecord,
    /// The sandbox itself.
    Loopback,
    /// A name in its one spelling, asked for its IPv4 address.
    Name(String),
}

fn look_up(query: &Query) -> Found {
    let Some(name) = host_name(&query.name.to_ascii()) else { return Found::Nothing };
    if name.ends_with(".arpa") {
        return Found::Nothing;
    }
    if query.query_class != DNSClass::IN || query.query_type != RecordType::A {
        return Found::NoSuchRecord;
    }
    if name == "localhost" || name.ends_with(".localhost") { Found::Loopback } else { Found::Name(name) }
}

/// `name` as it goes into CONNECT: lower case, no trailing dot; nothing where it could be no host's name or would be
/// read as an address. The characters are those of host names, so nothing can be smuggled into a request line.
fn host_name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = name.rsplit('.').next()?;
    let is_address = last.bytes().all(|b| b.is_ascii_digit());
    (name.len() <= 253 && name.split('.').all(is_label) && !is_address).then_some(name)
}

fn add_address(response: &mut Message, query: &Query, address: Ipv4Addr) {
    let record = Record::from_rdata(query.name.clone(), limits::DNS_TTL_SECONDS, RData::A(A(address)));
    response.add_answer(record);
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use hickory_proto::rr::Name;
    use proptest::prelude::*;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);

    fn ask(name: &str, kind: RecordType) -> (ResponseCode, Vec<RData>, Option<String>) {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_str(name).unwrap(), kind));
        let mut asked = None;
        let bytes = answer(&message.to_vec().unwrap(), |name| {
            asked = Some(name.to_owned());
            ADDRESS
        });
        let response = Message::from_vec(&bytes.unwrap()).unwrap();
        assert_eq!(response.metadata.id, message.metadata.id);
        assert_eq!(response.queries, message.queries, "the question comes back as it was spelt");
        (response.metadata.response_code, response.answers.into_iter().map(|record| record.data).collect(), asked)
    }

    #[test]
    fn a_name_has_one_ipv4_address() {
        let (code, answers, asked) = ask("GitHub.com.", RecordType::A);
        assert_eq!((code, answers), (ResponseCode::NoError, vec![RData::A(A(ADDRESS))]));
        assert_eq!(asked.as_deref(), Some("github.com"));
    }

    #[test]
    fn other_records_are_empty_so_that_clients_use_ipv4_and_no_ech() {
        for kind in [RecordType::AAAA, RecordType::HTTPS, RecordType::TXT, RecordType::MX, RecordType::ANY] {
            assert_eq!(ask("github.com.", kind), (ResponseCode::NoError, vec![], None));
        }
    }

    #[test]
    fn localhost_is_the_sandbox() {
        let (_, answers, asked) = ask("app.localhost.", RecordType::A);
        assert_eq!((answers, asked), (vec![RData::A(A(Ipv4Addr::LOCALHOST))], None));
    }

    #[test]
    fn what_could_be_no_hosts_name_does_not_exist() {
        for name in ["1.0.0.127.in-addr.arpa.", "1.2.3.4.", "."] {
            assert_eq!(ask(name, RecordType::A), (ResponseCode::NXDomain, vec![], None), "{name}");
        }
        for name in ["a\r\nb.example", "a b.example", "a:80", "a/b", "a..b", "-é.example", &"a".repeat(64)] {
            assert_eq!(host_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn broken_queries_are_refused_and_answers_dropped() {
        let broken = [0x12, 0x34, 0x01, 0x00, 0, 9, 0, 0, 0, 0, 0, 0];
        let response = Message::from_vec(&answer(&broken, |_| ADDRESS).unwrap()).unwrap();
        assert_eq!((response.metadata.id, response.metadata.response_code), (0x1234, ResponseCode::FormErr));
        assert_eq!(answer(&broken[..11], |_| ADDRESS), None);
        let looped = Message::response(1, OpCode::Query).to_vec().unwrap();
        assert_eq!(answer(&looped, |_| ADDRESS), None, "two resolvers must not answer each other for ever");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = answer(&bytes, |_| ADDRESS);
        }

        #[test]
        fn no_bytes_behind_a_good_header_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut packet = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
            packet.extend(bytes);
            let _ = answer(&packet, |name| {
                assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':' && b != b'/'));
                ADDRESS
            });
        }
    }
}
