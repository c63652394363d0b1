//! The main job, once, end to end: an agent works on a repository. Each step runs the real tools in a sandbox and then asks the
//! origin what it saw.

use crate::step::Observation;
use crate::{Error, Ran, Seen, Stage, Step};

/// Plays every step, in order, and tells `on_step` of each as it is done.
///
/// # Errors
/// Where a step cannot be played at all. A step that goes wrong is no error: it is not `ok`.
pub async fn play(stage: &Stage, mut on_step: impl FnMut(&Step)) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    macro_rules! steps {
        ($($step:ident),* $(,)?) => { $(
            stage.git.clear();
            stage.npm.clear();
            let step = $step(stage).await?;
            on_step(&step);
            steps.push(step);
        )* };
    }
    steps![
        clone,
        push_own_branch,
        push_main,
        push_both,
        npm_install,
        npm_publish_listed,
        npm_publish_unlisted,
        unlisted_host,
        metadata_service,
        without_proxy_variables,
        no_other_way_out,
        credentials_are_not_inside,
        journal,
    ];
    Ok(steps)
}

async fn clone(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("clone", "git clone works, with a credential that the sandbox does not have");
    let ran = stage.sandbox("git clone -q https://github.com/acme/site && cat site/README.md").await?;
    succeeded(&mut step, "git clone", &ran);
    let seen = stage.git.seen();
    let once = seen.iter().all(|seen| stage.carries_git_credential_once(seen));
    step.check(!seen.is_empty() && once, "each request carried the credential once", || brief(&seen));
    Ok(step.done())
}

const COMMIT: &str = "cd site && git config user.name agent && git config user.email agent@site.invalid \
    && date +%N > work && git add work && git commit -qm work";

async fn push_own_branch(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("push-own-branch", "a push to agent/x lands");
    let ran =
        stage.sandbox(&format!("{COMMIT} && git rev-parse HEAD && git push origin HEAD:refs/heads/agent/x")).await?;
    succeeded(&mut step, "git push", &ran);
    let refs = stage.git.refs("acme/site").await?;
    let landed = refs.get("refs/heads/agent/x").is_some_and(|commit| ran.stdout.contains(commit));
    step.check(landed, "the commit is at the origin", || format!("{refs:?}"));
    Ok(step.done())
}

async fn push_main(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("push-main", "a push to main is refused with the policy's name");
    let before = stage.git.refs("acme/site").await?;
    let ran = stage.sandbox(&format!("{COMMIT} && git push origin HEAD:refs/heads/main")).await?;
    step.check(ran.code != 0, "git push fails", || ran.text());
    let told = ran.stderr.contains("[remote rejected]") && ran.stderr.contains("coder/main-is-for-people");
    step.check(told, "git names the policy", || ran.stderr.clone());
    nothing_pushed(&mut step, stage, &before).await?;
    Ok(step.done())
}

async fn push_both(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("push-both", "a push of both refs lands neither, and says for each what happened");
    let before = stage.git.refs("acme/site").await?;
    let ran = stage.sandbox("cd site && git push origin HEAD:refs/heads/agent/y HEAD:refs/heads/main").await?;
    step.check(ran.code != 0, "git push fails", || ran.text());
    let told = ["agent/y", "main"].iter().all(|branch| {
        let of_branch = |line: &&str| line.contains("[remote rejected]") && line.contains(&format!("-> {branch} "));
        ran.stderr.lines().any(|line| of_branch(&line))
    });
    step.check(told, "git reports each ref", || ran.stderr.clone());
    nothing_pushed(&mut step, stage, &before).await?;
    Ok(step.done())
}

async fn npm_install(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("npm-install", "npm install works, without a credential");
    let script = "mkdir -p app && cd app && npm init -y >/dev/null && npm install tiny-greeter && node -e 'require(\"tiny-greeter\")'";
    let ran = stage.sandbox(script).await?;
    succeeded(&mut step, "npm install", &ran);
    let seen = stage.npm.seen();
    let bare = seen.iter().all(|seen| seen.header("authorization").is_none());
    step.check(!seen.is_empty() && bare, "reads carried no credential, nor the placeholder", || brief(&seen));
    Ok(step.done())
}

fn publish(name: &str) -> String {
    let folder = name.replace(['@', '/'], "_");
    format!(
        "mkdir -p {folder} && cd {folder} && echo 'module.exports = 1' > index.js && \
         echo '{{\"name\":\"{name}\",\"version\":\"1.2.3\",\"license\":\"MIT\"}}' > package.json && npm publish --access public"
    )
}

async fn npm_publish_listed(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("npm-publish-listed", "npm publish of a listed package lands, with the credential");
    let ran = stage.sandbox(&publish("@acme/ui")).await?;
    succeeded(&mut step, "npm publish", &ran);
    let published = stage.npm.versions("@acme/ui").await?;
    step.check(published == ["1.2.3"], "the registry has @acme/ui 1.2.3", || format!("{published:?}"));
    let puts: Vec<_> = stage.npm.seen().into_iter().filter(|seen| seen.method == "PUT").collect();
    let once = puts.len() == 1 && puts.iter().all(|seen| stage.carries_npm_credential_once(seen));
    step.check(once, "one PUT carried the credential once", || brief(&puts));
    Ok(step.done())
}

async fn npm_publish_unlisted(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("npm-publish-unlisted", "npm publish of an unlisted package is refused");
    let ran = stage.sandbox(&publish("left-over")).await?;
    step.check(ran.code != 0 && ran.stderr.contains("E403"), "npm fails with E403", || ran.text());
    step.check(ran.stderr.contains("no policy permits it"), "npm says why", || ran.stderr.clone());
    let puts: Vec<_> = stage.npm.seen().into_iter().filter(|seen| seen.method != "GET").collect();
    step.check(puts.is_empty(), "the registry saw nothing but reads", || brief(&puts));
    Ok(step.done())
}

async fn unlisted_host(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("unlisted-host", "curl to a host that no policy permits is refused, and told why");
    let ran = stage.sandbox("curl -sS -w '\\n%{http_code}' https://unlisted.example/secret").await?;
    step.check(ran.stdout.ends_with("403"), "curl gets 403", || ran.text());
    let told = ran.stdout.contains("\"code\":\"denied\"") && ran.stdout.contains("http:read");
    step.check(told, "the answer names the action", || ran.text());
    Ok(step.done())
}

async fn metadata_service(stage: &Stage) -> Result<Step, Error> {
    let mut step =
        Observation::of("metadata-service", "169.254.169.254 is refused by the proxy, and not there without it");
    let script = "curl -s -w '%{http_code}' http://169.254.169.254/latest/meta-data/; echo; \
        curl -s -o /dev/null --noproxy '*' --max-time 5 http://169.254.169.254/; echo direct=$?";
    let ran = stage.sandbox(script).await?;
    let refused = ran.stdout.contains("forbidden-address") && ran.stdout.contains("403");
    step.check(refused, "the proxy refuses", || ran.text());
    step.check(ran.stdout.contains("direct=7"), "a direct connection fails", || ran.text());
    Ok(step.done())
}

async fn without_proxy_variables(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("without-proxy-variables", "tools that know no proxy come to the same gateway");
    let script = "unset HTTPS_PROXY HTTP_PROXY ALL_PROXY https_proxy http_proxy all_proxy; \
        git ls-remote https://github.com/acme/site refs/heads/main; \
        curl -sS -w '\\n%{http_code}' https://unlisted.example/; echo; \
        curl -sS -w '\\n%{http_code}' http://unlisted.example/";
    let ran = stage.sandbox(script).await?;
    step.check(ran.stdout.contains("refs/heads/main"), "git reads by DNS alone", || ran.text());
    let denied = ran.stdout.matches("\"code\":\"denied\"").count();
    step.check(denied == 2, "https and http are refused alike", || ran.text());
    let once = stage.git.seen().iter().all(|seen| stage.carries_git_credential_once(seen));
    step.check(once, "the origin saw the credential once in each request", || brief(&stage.git.seen()));
    Ok(step.done())
}

/// What a program that wants out would try besides HTTP. Each line that it prints says `name=blocked` or what happened.
const ESCAPES: &str = r#"python3 - <<'END'
import socket
def attempt(name, go):
    try:
        print(f"{name}=OPEN {go()}")
    except OSError as error:
        print(f"{name}=blocked {error}")
def tcp(address, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3); s.connect(address); return s.getpeername()
def udp(address, family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(3); s.connect(address); s.send(b"\0" * 32); return s.recv(1)
def raw(family, protocol):
    return socket.socket(family, socket.SOCK_RAW, protocol)
attempt("tcp", lambda: tcp(("192.0.2.1", 443)))
attempt("tcp-dns", lambda: tcp(("192.0.2.1", 53)))
attempt("udp-dns", lambda: udp(("192.0.2.1", 53)))
attempt("udp-quic", lambda: udp(("192.0.2.1", 443)))
attempt("tcp6", lambda: tcp(("2001:db8::1", 443), socket.AF_INET6))
attempt("raw-icmp", lambda: raw(socket.AF_INET, socket.IPPROTO_ICMP))
attempt("raw-packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300))
print("name=" + socket.gethostbyname("tunnel-me-out.attacker.example"))
print("interfaces=" + ",".join(name for _, name in socket.if_nameindex()))
END"#;

async fn no_other_way_out(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("no-other-way-out", "DNS, UDP, raw sockets and IPv6 lead nowhere");
    let ran = stage.sandbox(ESCAPES).await?;
    let open: Vec<_> = ran.stdout.lines().filter(|line| line.contains("=OPEN")).collect();
    let blocked = ran.stdout.matches("=blocked").count();
    step.check(open.is_empty() && blocked == 7, "seven ways are blocked", || ran.text());
    step.check(ran.stdout.contains("name=127."), "a name resolves inside, and no query leaves", || ran.text());
    step.check(ran.stdout.contains("interfaces=lo\n"), "there is no interface but loopback", || ran.text());
    Ok(step.done())
}

async fn credentials_are_not_inside(stage: &Stage) -> Result<Step, Error> {
    let mut step =
        Observation::of("credentials-are-not-inside", "a search of the sandbox for the credentials finds nothing");
    // A pattern that does not contain what it finds: the search must not find itself in /proc.
    let patterns = stage.secrets().into_iter().map(|secret| {
        let (first, rest) = secret.split_at(1);
        format!("-e '[{first}]{}'", rest.replace('+', "[+]").replace('.', "[.]"))
    });
    let patterns = patterns.collect::<Vec<_>>().join(" ");
    let script = format!(
        "grep -rlaE -s -D skip {patterns} /etc /root /home /workspace /tmp /var /run /opt /srv /mnt /media; \
         grep -laE -s {patterns} /proc/*/environ /proc/*/cmdline; env | grep -aE {patterns}; \
         echo placeholder=$GITHUB_TOKEN; echo searched"
    );
    let ran = stage.sandbox(&script).await?;
    let lines: Vec<_> = ran.stdout.lines().collect();
    let nothing = lines == ["placeholder=exeat_placeholder_github-git", "searched"];
    step.check(nothing, "nothing found but placeholders", || ran.text());
    Ok(step.done())
}

async fn journal(stage: &Stage) -> Result<Step, Error> {
    let mut step = Observation::of("journal", "every request is in a journal that verifies");
    let ran = stage.exeat(&["audit", "verify"]).await?;
    succeeded(&mut step, "exeat audit verify", &ran);
    let entries = stage.journal().await?;
    let with = |decision: &str| entries.iter().filter(|entry| entry["record"]["type"] == decision).count();
    let (intents, refusals) = (with("intent"), with("refusal"));
    let claim = format!("it has {intents} requests that left and {refusals} refusals");
    step.check(intents >= 10 && refusals >= 6, &claim, || format!("{intents} and {refusals}"));
    let finished = entries.iter().filter(|entry| {
        entry["record"]["type"] == "intent"
            && entry["outcome"]["status"].is_u64()
            && entry["outcome"]["error"].is_null()
    });
    step.check(finished.count() == intents, "every request that left has its outcome", || format!("{entries:?}"));
    let text = entries.iter().map(ToString::to_string).collect::<String>();
    let clean = stage.secrets().iter().all(|secret| !text.contains(secret));
    step.check(clean, "no credential is in it", || "one is".to_owned());
    Ok(step.done())
}

fn succeeded(step: &mut Observation, what: &str, ran: &Ran) {
    step.check(ran.code == 0, &format!("{what} succeeds"), || format!("exit code {}: {}", ran.code, ran.text()));
}

async fn nothing_pushed(
    step: &mut Observation, stage: &Stage, before: &std::collections::BTreeMap<String, String>,
) -> Result<(), Error> {
    let after = stage.git.refs("acme/site").await?;
    step.check(after == *before, "no ref changed at the origin", || format!("{after:?}"));
    let posts: Vec<_> = stage.git.seen().into_iter().filter(|seen| seen.method == "POST").collect();
    step.check(posts.is_empty(), "the origin saw no push", || brief(&posts));
    Ok(())
}

fn brief(seen: &[Seen]) -> String {
    seen.iter()
        .map(|seen| format!("{} {} {:?}", seen.method, seen.target, seen.header("authorization").is_some()))
        .collect::<Vec<_>>()
        .join(", ")
}
