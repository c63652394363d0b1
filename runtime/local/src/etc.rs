//! `/etc` inside: what tools need of the host's, and what the sandbox has its own of. Everything else is absent.
//!
//! Left out on purpose: `shadow` and `sudoers` (secrets), `passwd` and `group` of the host (who works here), `ssh`,
//! `npmrc`, `pip.conf`, `gitconfig`, `maven/settings.xml` (they hold tokens and name registries: what a sandbox needs
//! of them comes as its home's files), `machine-id` and `hostname` (which machine this is), `resolv.conf` and `hosts`
//! (which network).

/// A file or folder of the host's `/etc`, and who needs it. What a host does not have is skipped.
pub(crate) const FROM_HOST: &[(&str, &str)] = &[
    ("ld.so.cache", "the dynamic linker, for every program"),
    ("ld.so.conf", "ldconfig"),
    ("ld.so.conf.d", "ldconfig"),
    ("alternatives", "links from /usr/bin to the chosen editor, awk, java …"),
    ("localtime", "local time"),
    ("timezone", "local time, in Java and Python"),
    ("locale.conf", "language"),
    ("locale.alias", "language"),
    ("os-release", "installers that ask which distribution this is"),
    ("debian_version", "the same"),
    ("mime.types", "web servers and mail libraries"),
    ("magic", "file"),
    ("services", "names of ports"),
    ("protocols", "names of protocols"),
    ("rpc", "names of programs"),
    ("ethertypes", "names of protocols"),
    ("gai.conf", "order of addresses"),
    ("shells", "which shells there are"),
    ("profile", "login shells"),
    ("bash.bashrc", "interactive bash"),
    ("bashrc", "interactive bash, on Fedora"),
    ("bash_completion", "interactive bash"),
    ("bash_completion.d", "interactive bash"),
    ("inputrc", "keys in interactive programs"),
    ("terminfo", "terminals"),
    ("vim", "vim's defaults"),
    ("nanorc", "nano's defaults"),
    ("fonts", "fontconfig: headless browsers, plots"),
    ("perl", "perl's modules"),
    ("python3", "Debian's python"),
    ("python3.9", "the same, by version"),
    ("python3.10", "the same"),
    ("python3.11", "the same"),
    ("python3.12", "the same"),
    ("python3.13", "the same"),
    ("python3.14", "the same"),
    ("java-8-openjdk", "Java finds its settings here"),
    ("java-11-openjdk", "the same"),
    ("java-17-openjdk", "the same"),
    ("java-21-openjdk", "the same"),
    ("java-25-openjdk", "the same"),
    ("java", "Java on Fedora"),
    ("maven/m2.conf", "how Maven starts"),
    ("maven/logging", "how Maven logs"),
    ("ssl/openssl.cnf", "OpenSSL's defaults"),
    ("ssl/certs/java", "the host's trusted CAs, for Java"),
    ("crypto-policies", "TLS libraries on Fedora"),
    ("ca-certificates.conf", "update-ca-certificates"),
];

/// What the sandbox has its own of.
pub(crate) const OWN: &[(&str, &str)] = &[
    (
        "passwd",
        "root:x:0:0:root:/root:/bin/bash\n\
         agent:x:1000:1000:agent:/tmp:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\ntty:x:5:\nagent:x:1000:\nnogroup:x:65534:\n"),
    ("hostname", "sandbox\n"),
    ("hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost ip6-loopback\n"),
    ("nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"),
    // sandboxd answers. No search list, and no second server that would be asked after it.
    ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_and_nothing_that_is_our_own_comes_from_the_host() {
        for (path, _) in FROM_HOST {
            assert!(!["shadow", "gshadow", "sudoers", "ssh", "npmrc", "machine-id"].contains(path), "{path}");
            assert!(!OWN.iter().any(|(own, _)| own == path), "{path} is our own");
            assert!(!path.starts_with('/') && !path.contains(".."), "{path}");
        }
    }
}
