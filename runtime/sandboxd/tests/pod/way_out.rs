//! Traffic that leaves over TCP, with a token.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use crate::gateway::{Gateway, REFUSAL};
use crate::scene::{Pod, connect, connect_to, in_a_pod, soon};

const PROXY: u16 = 3128;

/// The address that sandboxd gives a name.
async fn resolve(name: &str) -> Ipv4Addr {
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_str(name).unwrap(), RecordType::A));
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&question.to_vec().unwrap(), "127.0.0.1:53").await.unwrap();
    let mut answer = [0; 512];
    let length = soon(socket.recv(&mut answer)).await.unwrap();
    let answer = Message::from_vec(&answer[..length]).unwrap();
    match answer.answers.first().map(|record| &record.data) {
        Some(RData::A(address)) => address.0,
        other => panic!("{other:?}"),
    }
}

/// Says something and hears it back.
async fn talk(stream: &mut TcpStream) {
    stream.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    soon(stream.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"hello");
}

/// A request through the proxy, and the body of its answer, which has one byte.
async fn get(stream: &mut TcpStream, headers: &str) -> String {
    let request = format!("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") || answer.ends_with("\r\n\r\n") {
        answer.push(char::from(soon(stream.read_u8()).await.unwrap()));
    }
    answer.split_off(answer.len() - 1)
}

#[test]
fn a_name_becomes_connect_with_the_token_that_is_in_the_file_then() {
    in_a_pod(async {
        let gateway = Gateway::new().await;
        gateway.writes("one");
        gateway.knows("one");
        let _pod = Pod::new(Some(&gateway), &[]).await;
        let address = SocketAddr::from((resolve("github.com.").await, 443));
        let mut first = connect_to(address).await.unwrap();
        talk(&mut first).await;
        gateway.writes("two");
        gateway.knows("two");
        talk(&mut connect_to(address).await.unwrap()).await;
        // Who was known stays known.
        talk(&mut first).await;
        let head = |token: &str| {
            let shown = format!("Proxy-Authorization: Bearer {token}\r\nConnection: close\r\n");
            format!("CONNECT github.com:443 HTTP/1.1\r\nHost: github.com:443\r\n{shown}\r\n")
        };
        assert_eq!(gateway.heads(), [head("one"), head("two")]);
    });
}

#[test]
fn a_connection_to_the_proxy_is_introduced_once_and_then_left_alone() {
    in_a_pod(async {
        let gateway = Gateway::new().await;
        gateway.writes("one");
        gateway.knows("one");
        let _pod = Pod::new(Some(&gateway), &[]).await;
        let mut client = connect(PROXY).await.unwrap();
        let own = "proxy-authorization:  Basic bWluZQ==\r\n";
        for (number, headers) in [("1", ""), ("2", own), ("3", "X: y\r\n")] {
            assert_eq!(get(&mut client, headers).await, number);
        }
        let heads = gateway.heads();
        assert_eq!(heads.len(), 4);
        assert!(heads[0].starts_with("CONNECT exeat.local:3128 HTTP/1.1\r\nHost: exeat.local:3128\r\n"), "{heads:?}");
        assert_eq!(heads[2], format!("GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n{own}\r\n"));
        assert!(heads[1..].iter().all(|head| !head.contains("Bearer")), "{heads:?}");
    });
}

#[test]
fn connect_goes_through_the_proxy_too() {
    in_a_pod(async {
        let gateway = Gateway::new().await;
        gateway.writes("one");
        gateway.knows("one");
        let _pod = Pod::new(Some(&gateway), &[]).await;
        let mut client = connect(PROXY).await.unwrap();
        client.write_all(b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n").await.unwrap();
        let mut answer = [0; 19];
        soon(client.read_exact(&mut answer)).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK\r\n\r\n");
        talk(&mut client).await;
    });
}

#[test]
fn who_is_not_known_is_told_so_and_may_be_known_later() {
    in_a_pod(async {
        let gateway = Gateway::new().await;
        gateway.writes("stranger");
        gateway.knows("one");
        let _pod = Pod::new(Some(&gateway), &[]).await;
        let mut client = connect(PROXY).await.unwrap();
        client.write_all(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        soon(client.read_to_string(&mut answer)).await.unwrap();
        assert_eq!(answer, REFUSAL);
        // By name there is no HTTP to answer in: the connection ends.
        let address = SocketAddr::from((resolve("a.example.").await, 80));
        let mut stream = connect_to(address).await.unwrap();
        assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap(), 0);
        gateway.writes("one");
        assert_eq!(get(&mut connect(PROXY).await.unwrap(), "").await, "1");
    });
}

#[test]
fn without_a_token_nothing_is_sent() {
    in_a_pod(async {
        let gateway = Gateway::new().await;
        let _pod = Pod::new(Some(&gateway), &[]).await;
        let mut client = connect(PROXY).await.unwrap();
        assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
        gateway.writes("with space");
        let mut client = connect(PROXY).await.unwrap();
        assert_eq!(soon(client.read(&mut [0; 1])).await.unwrap(), 0);
        assert_eq!(gateway.heads(), [""; 0]);
    });
}
