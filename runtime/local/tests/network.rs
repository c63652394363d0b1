//! The one way out, and that there is no other.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

mod scene;

use scene::scene;

#[test]
fn a_tool_that_knows_no_proxy_is_carried_by_name() {
    let Some(scene) = scene() else { return };
    let script = "exec 3<>/dev/tcp/GitHub.com/443; echo ping >&3; head -n1 <&3; \
                  exec 4<>/dev/tcp/packages.example/8443; echo pong >&4; head -n1 <&4";
    assert_eq!(scene.says(script), "ping\npong\n");
    assert_eq!(scene.requests(), ["CONNECT github.com:443 HTTP/1.1", "CONNECT packages.example:8443 HTTP/1.1"],);
}

#[test]
fn half_closed_connections_carry_the_rest() {
    let Some(scene) = scene() else { return };
    let script = r#"/usr/bin/python3 -c '
import socket, threading
s = socket.create_connection(("big.example", 443))
data = bytes(range(256)) * 40000
def send():
    s.sendall(data); s.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
got = b"".join(iter(lambda: s.recv(65536), b""))
print(got == data)'"#;
    assert_eq!(scene.says(script), "True\n");
}

#[test]
fn a_refusal_ends_the_connection() {
    let Some(scene) = scene() else { return };
    let script = "exec 3<>/dev/tcp/denied.example/443; cat <&3 | wc -c";
    assert_eq!(scene.says(script).trim(), "0");
    assert_eq!(scene.requests(), ["CONNECT denied.example:443 HTTP/1.1"]);
}

#[test]
fn a_tool_that_knows_proxies_reaches_the_gateway_unchanged() {
    let Some(scene) = scene() else { return };
    let script = "exec 3<>/dev/tcp/127.0.0.1/3128; \
                  printf 'GET http://exeat.local/x HTTP/1.1\\r\\nHost: exeat.local\\r\\n\\r\\n' >&3; tail -n1 <&3";
    assert_eq!(scene.says(script), "hello\n");
    assert_eq!(scene.requests(), ["GET http://exeat.local/x HTTP/1.1"]);
}

#[test]
fn names_have_one_address_each_and_nothing_else() {
    let Some(scene) = scene() else { return };
    let script = r#"/usr/bin/python3 -c '
import socket
ask = lambda name: sorted({a[4][0] for a in socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)})
print(ask("a.example"), ask("b.example"), ask("a.example"), ask("localhost"))
try: print(socket.gethostbyaddr("8.8.8.8"))
except OSError: print("no reverse")
try: print(socket.create_connection(("a.example", 22), 5))
except ConnectionRefusedError: print("port not carried")'"#;
    let expected = "['127.64.0.1'] ['127.64.0.2'] ['127.64.0.1'] ['127.0.0.1']\nno reverse\nport not carried\n";
    assert_eq!(scene.says(script), expected);
    assert_eq!(scene.requests(), [""; 0]);
}

#[test]
fn the_agents_own_servers_keep_their_ports() {
    let Some(scene) = scene() else { return };
    let script = r#"/usr/bin/python3 -c '
import socket
socket.create_connection(("a.example", 443)).close()
for port in (80, 443, 3000, 8443):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port)); s.listen()
    c = socket.create_connection(("localhost", port)); s.accept()[0].sendall(b"own"); print(c.recv(9))'"#;
    assert_eq!(scene.says(script), "b'own'\n".repeat(4));
}

#[test]
fn there_is_no_other_way_out() {
    let Some(scene) = scene() else { return };
    let script = r#"/usr/bin/python3 -c '
import socket
print([name for _, name in socket.if_nameindex()])
def connect(family, kind, address):
    s = socket.socket(family, kind); s.settimeout(2); s.connect(address); s.send(b"x")
attempts = {
    "metadata": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)),
    "public": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("1.1.1.1", 443)),
    "private": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("10.0.0.1", 80)),
    "dns": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("8.8.8.8", 53)),
    "quic": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("1.1.1.1", 443)),
    "ipv6": lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("2606:4700:4700::1111", 443)),
    "ipv6-metadata": lambda: connect(socket.AF_INET6, socket.SOCK_STREAM, ("fd00:ec2::254", 80)),
    "raw": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "raw6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300),
    "vsock": lambda: connect(socket.AF_VSOCK, socket.SOCK_STREAM, (2, 22)),
    "abstract": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0/tmp/dbus"),
}
for name, attempt in attempts.items():
    try: attempt(); print(name, "got out")
    except OSError: pass'; ls /sys/class/net 2>/dev/null; grep -c : /proc/net/dev"#;
    let seen = scene.says(script);
    assert_eq!(seen.replace("lo\n1\n", "1\n"), "['lo']\n1\n");
    assert_eq!(scene.requests(), [""; 0]);
}
