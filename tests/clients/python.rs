//! Python's own HTTP clients, whose CONNECT is HTTP/1.0, and without a Host in older ones.

use exeat_tests::{Scenario, TOKEN, Way, find, read_answer, run, skip};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const HOST: &str = "api.example.com";

const SCRIPT: &str = r#"
import base64, http.client, os, ssl, urllib.error, urllib.request
proxy, host, ca, token = (os.environ[name] for name in ("PROXY", "HOST", "CA", "TOKEN"))
context = ssl.create_default_context(cafile=ca)
handlers = [
    urllib.request.ProxyHandler({"http": f"http://ci:{token}@{proxy}", "https": f"http://ci:{token}@{proxy}"}),
    urllib.request.HTTPSHandler(context=context),
]
opener = urllib.request.build_opener(*handlers)
def status(ask):
    try:
        with ask() as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
for scheme in ("https", "http"):
    for name in (host, "forbidden.example.net"):
        print("urllib", scheme, status(lambda: opener.open(f"{scheme}://{name}/urllib", timeout=30)))
    print("urllib", "POST", status(lambda: opener.open(f"{scheme}://{host}/urllib", data=b"x" * 100000, timeout=30)))
connection = http.client.HTTPSConnection(*proxy.split(":"), context=context, timeout=30)
login = base64.b64encode(f"ci:{token}".encode()).decode()
connection.set_tunnel(host, 443, {"Proxy-Authorization": f"Basic {login}"})
for _ in range(3):
    connection.request("GET", "/http.client")
    response = connection.getresponse()
    print("http.client", response.status, response.read().decode())
"#;

const EXPECTED: &str = "\
urllib https 200
urllib https 403
urllib POST 200
urllib http 200
urllib http 403
urllib POST 200
http.client 200 hello
http.client 200 hello
http.client 200 hello
";

#[tokio::test(flavor = "multi_thread")]
async fn urllib_and_http_client_work() {
    let Some(python) = find("python3") else { return skip("python3") };
    let scenario = Scenario::usual().start().await;
    let mut command = Command::new(python);
    command.args(["-c", SCRIPT]).env("PROXY", scenario.listen().to_string()).env("HOST", HOST);
    command.env("CA", scenario.ca()).env("TOKEN", TOKEN);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    let ran = run(&mut command).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (0, EXPECTED), "{}", ran.stderr);
    scenario.saw_what_was_journaled("python");
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_of_http_1_0_without_host_opens_a_tunnel() {
    let scenario = Scenario::usual().start().await;
    let token = format!("Proxy-Authorization: Bearer {TOKEN}\r\n");
    for way in [Way::usual(), Way::http1().find(|way| way.lines().is_empty() && !way.is_tunnel()).unwrap()] {
        for head in [
            format!("CONNECT {HOST}:443 HTTP/1.0\r\n{token}\r\n"),
            format!("CONNECT {HOST}:443 HTTP/1.0\r\nHost: {HOST}\r\n{token}\r\n"),
        ] {
            let mut wire = way.dial(&scenario).await.unwrap();
            wire.write_all(head.as_bytes()).await.unwrap();
            let answer = read_answer(&mut wire, "CONNECT").await;
            assert_eq!(answer.status, Some(200), "{way}: {head:?}");
            let mut tls = exeat_tests::tls(&scenario, wire, HOST, "http/1.1").await.unwrap();
            tls.write_all(format!("GET /old HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await.unwrap();
            assert_eq!(read_answer(&mut tls, "GET").await.status, Some(200), "{way}: {head:?}");
        }
    }
    assert_eq!(scenario.seen(HOST).len(), 4);
}
