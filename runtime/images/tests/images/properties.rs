//! Whatever comes: references are read as they are written, and layers stay in their folder.

use exeat_images::{Defaults, Reference};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use crate::hostile::Scene;
use crate::tar::{Header, Tar};

fn defaults() -> Defaults {
    Defaults { registry: Some("short.test".into()), folder: Some("library".into()) }
}

fn parse(text: &str) -> Option<Reference> {
    Reference::parse(text, &defaults()).ok()
}

#[test]
fn short_names_are_completed_as_docker_does() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    for (text, complete) in [
        ("debian", "short.test/library/debian:latest"),
        ("debian:12", "short.test/library/debian:12"),
        ("team/tool", "short.test/team/tool:latest"),
        ("localhost/tool", "localhost/tool:latest"),
        ("localhost:5000/tool:x", "localhost:5000/tool:x"),
        ("Host/tool", "host/tool:latest"),
        ("a.test/b/c__d/e---f.g:V_1.2-3", "a.test/b/c__d/e---f.g:V_1.2-3"),
        ("[::1]:5000/tool", "[::1]:5000/tool:latest"),
        (&format!("a.test/b@{digest}"), &format!("a.test/b@{digest}")),
        (&format!("b:1@{digest}"), &format!("short.test/library/b:1@{digest}")),
    ] {
        assert_eq!(parse(text).map(|reference| reference.to_string()).as_deref(), Some(complete), "{text}");
    }
}

#[test]
fn what_names_no_image_is_refused() {
    let sha512 = format!("b@sha512:{}", "a".repeat(128));
    for text in [
        "",
        "/",
        ":",
        "@",
        "a:",
        "a:-x",
        "a@",
        "a@sha256:00",
        "A",
        "a/B",
        "a.test/",
        "a.test//b",
        "a..b",
        "a___b",
        "-a",
        "a-",
        "a b",
        "a/../b",
        "a.test/b/..",
        "a.test:0/b",
        "a.test:99999/b",
        "a_.test/b",
        "[::1/b",
        "[x]/b",
        "ä",
        "a\0b",
        "a.test/b?x",
        "http://a.test/b",
        "user@a.test/b",
        sha512.as_str(),
        &"a".repeat(300),
        &format!("a:{}", "x".repeat(129)),
    ] {
        assert!(parse(text).is_none(), "{text}");
    }
    let none = Defaults::default();
    assert!(Reference::parse("debian", &none).is_err() && Reference::parse("a.test/debian", &none).is_ok());
}

/// Names that lead somewhere, and few enough of them to meet each other.
fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("a"), 4 => Just("b"), 2 => Just("c"), 1 => Just(".."), 1 => Just("."), 1 => Just(""), 1 => Just(".wh.a"),
        1 => Just(".wh..wh..opq"), 1 => Just(".wh.b"), 1 => Just("beside"), 1 => Just("secret"),
    ];
    prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("/"))
}

/// Names of which one is a folder of another, so that entries meet.
fn near() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "a/b", "a/file", "a/secret", "b", "b/a", "a/new"]).prop_map(str::to_owned)
}

fn tar() -> impl Strategy<Value = Vec<u8>> {
    let kind =
        prop_oneof![Just(b'0'), Just(b'0'), Just(b'1'), Just(b'2'), Just(b'5'), Just(b'5'), Just(b'3'), Just(b'6')];
    let out = ["..", "../beside", "../secret", "../beside/file"].map(str::to_owned);
    let target = prop_oneof![name(), prop::sample::select(out.to_vec())];
    let entry = (prop_oneof![name(), near()], kind, target, 0_u32..0o10000);
    prop::collection::vec(entry, 0..12).prop_map(|entries| {
        let mut tar = Tar::default();
        for (name, kind, target, mode) in entries {
            let target = if matches!(kind, b'1' | b'2') { target } else { String::new() };
            let header = Header { name: name.as_bytes(), kind, target: target.as_bytes(), mode, ..Header::default() };
            tar = tar.entry(&header, if kind == b'0' { b"content" } else { b"" });
        }
        tar.end()
    })
}

proptest! {
    #[test]
    fn a_reference_is_read_as_it_is_written(text in "[a-zA-Z0-9.:/@_\\[\\]-]{0,40}") {
        if let Some(reference) = parse(&text) {
            let json = serde_json::to_string(&reference).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Reference>(&json).unwrap(), &reference);
            prop_assert!(!reference.name().contains(".."));
        }
    }

    #[test]
    fn a_complete_reference_is_read(host in "[a-z0-9]{1,9}\\.[a-z]{2,5}(:[1-9][0-9]{0,3})?", name in "[a-z0-9]{1,9}(/[a-z0-9]{1,9}(__|-|_|\\.)[a-z0-9]{1,5}){0,3}", tag in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}") {
        let reference = parse(&format!("{host}/{name}:{tag}")).unwrap();
        prop_assert_eq!((reference.registry(), reference.name(), reference.tag()), (&*host, &*name, Some(&*tag)));
    }

    #[test]
    fn no_layer_touches_what_is_beside_its_folder(tar in tar()) {
        // The scene looks at everything around the folder, whatever the answer.
        let _ = Scene::new().unpack(&tar[..]);
    }

    #[test]
    fn no_bytes_make_the_unpacker_panic(mut tar in tar(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let position = at.index(tar.len());
        tar[position] = byte;
        tar.truncate(cut.index(tar.len()) + 1);
        let _ = Scene::new().unpack(&tar[..]);
    }

    #[test]
    fn no_bytes_make_the_documents_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z0-9]{0,100}") {
        exeat_images::read_any(&bytes);
        exeat_images::read_any(text.as_bytes());
    }
}
