//! Files and plugins that are refused: each says why, and the server and its other plugins go on.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use serde_json::json;
use tandem_plugin_host::{Kind, PluginConfig, Refusal};

mod common;
use common::{World, call, config, in_chinese, limits, mode};

const SOURCE: &str = include_str!("common/plugin.c");

/// Loads what `-D` makes of the plugin, and gives the refusal; `None` when there is no compiler.
async fn refused(world: &World, name: &str, defines: &[&str]) -> Option<Refusal> {
    let path = world.build(name, SOURCE, defines)?;
    let refused = world.load(name, &path).await.unwrap_err();
    tell(&refused);
    Some(refused)
}

/// Both languages have something to say, and not the same.
fn tell(refusal: &Refusal) {
    let (en, zh) = (refusal.to_string(), refusal.zh());
    assert!(!en.is_empty() && !zh.is_empty() && en != zh, "{en} / {zh}");
    assert!(
        en.is_ascii() || matches!(refusal, Refusal::Probe { .. }),
        "{en}"
    );
    match refusal {
        // The words of the system, of what reads ELF, and of the plugin itself.
        Refusal::NotFound { .. } | Refusal::Load { .. } | Refusal::Create { .. } => {}
        Refusal::NotALibrary { why } if why.zh.contains("ELF 表有误") => {}
        _ => in_chinese(&zh, &[]),
    }
}

/// Whatever came before: a good plugin loads and works.
async fn all_is_well(world: &World) {
    let Some(good) = world.build("good", SOURCE, &[]) else {
        return;
    };
    let plugin = world.load("good", &good).await.unwrap();
    let echo = call(&plugin, "action.echo", json!({"a": 1})).await.unwrap();
    assert_eq!(echo["params"], json!({"a": 1}));
    assert_eq!(
        fs::read_dir(world.folder.join("../private"))
            .unwrap()
            .count(),
        0,
        "no copy is left behind"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_are_no_plugin_are_refused_before_anything_runs() {
    let world = World::new();
    let Some(good) = world.build("whole", SOURCE, &[]) else {
        return;
    };
    let whole = fs::read(&good).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = world.folder.join(name);
        fs::write(&path, bytes).unwrap();
        mode(&path, 0o644);
        path
    };
    let load = async |path: &Path| {
        let refused = world.load("x", path).await.unwrap_err();
        tell(&refused);
        refused
    };
    let patched = |at: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        bytes
    };

    let text = write("text.so", b"this is a text\n");
    assert!(matches!(load(&text).await, Refusal::NotALibrary { .. }));
    assert!(matches!(
        load(&write("empty.so", b"")).await,
        Refusal::Size { bytes: 0, .. }
    ));
    // The machine in the header: AArch64 where this is x86-64, and the other way round.
    let other = if cfg!(target_arch = "x86_64") {
        183
    } else {
        62
    };
    let foreign = load(&write("foreign.so", &patched(18, other))).await;
    assert!(
        matches!(foreign, Refusal::Architecture { .. }),
        "{foreign:?}"
    );
    let narrow = load(&write("narrow.so", &patched(4, 1))).await;
    assert!(
        matches!(
            narrow,
            Refusal::Architecture { .. } | Refusal::NotALibrary { .. }
        ),
        "{narrow:?}"
    );
    for keep in [whole.len() - 1, whole.len() / 2, 4096, 100, 20] {
        let cut = load(&write("cut.so", &whole[..keep])).await;
        assert!(matches!(cut, Refusal::Truncated { .. }), "{keep}: {cut:?}");
    }
    assert!(matches!(
        load(&world.folder.join("none.so")).await,
        Refusal::NotFound { .. }
    ));
    assert!(matches!(
        load(Path::new("/etc/passwd")).await,
        Refusal::Outside { .. }
    ));
    mode(&good, 0o666);
    assert!(matches!(load(&good).await, Refusal::Writable { .. }));
    assert_eq!(world.plugins.images().0, 0, "nothing was loaded");
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_do_not_fit_are_refused_before_anything_runs() {
    let world = World::new();
    // Were it loaded, the probe would tell a crash instead.
    let crash = "-DCONSTRUCTOR=abort()";
    let Some(magic) = refused(&world, "magic", &["-DMAGIC=0x12345678", crash]).await else {
        return;
    };
    assert!(magic.to_string().contains("0x12345678"), "{magic}");
    let major = refused(&world, "major", &["-DMAJOR=2", crash])
        .await
        .unwrap();
    assert!(major.to_string().contains("2.0"), "{major}");
    let short = refused(&world, "short", &["-DSIZE=47", crash])
        .await
        .unwrap();
    assert!(short.to_string().contains("47"), "{short}");
    let longer = refused(&world, "longer", &["-DSIZE=4096", crash])
        .await
        .unwrap();
    assert!(matches!(longer, Refusal::NotATable { .. }), "{longer:?}");
    let missing = refused(&world, "missing", &["-DNO_SYMBOL", crash])
        .await
        .unwrap();
    assert_eq!(missing, Refusal::MissingSymbol);
    let function = refused(&world, "function", &["-DIS_FUNCTION", crash])
        .await
        .unwrap();
    assert!(
        matches!(function, Refusal::NotATable { .. }),
        "{function:?}"
    );
    let source = "__attribute__((visibility(\"default\"))) char tandem_plugin[48];";
    let bss = world.build("bss", source, &[]).unwrap();
    let bss = world.load("bss", &bss).await.unwrap_err();
    assert!(matches!(bss, Refusal::NotATable { .. }), "{bss:?}");
    let object = world.build("object", SOURCE, &["-c"]).unwrap();
    let object = world.load("object", &object).await.unwrap_err();
    assert!(object.to_string().contains("object file"), "{object}");
    assert_eq!(world.plugins.images().0, 0, "nothing was loaded");
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_crashes_or_hangs_at_load_does_so_in_a_child() {
    let mut quick = limits();
    quick.load = std::time::Duration::from_secs(5);
    let world = World::with(quick, std::sync::Arc::new(tandem_plugin_host::NoServices));
    let crash = ["-DCONSTRUCTOR=volatile int *volatile nowhere = 0; *nowhere = 1"];
    let Some(crash) = refused(&world, "crash", &crash).await else {
        return;
    };
    assert!(crash.to_string().contains("SIGSEGV"), "{crash}");
    let abort = refused(&world, "abort", &["-DCONSTRUCTOR=abort()"])
        .await
        .unwrap();
    assert!(abort.to_string().contains("SIGABRT"), "{abort}");
    let exit = refused(&world, "exit", &["-DCONSTRUCTOR=exit(3)"])
        .await
        .unwrap();
    assert!(exit.to_string().contains("the code 3"), "{exit}");
    let missing = "extern int nowhere(void); int use(void){return nowhere();}";
    let source = format!("{SOURCE}\n__attribute__((visibility(\"default\"))) {missing}");
    let unresolved = world.build("unresolved", &source, &[]).unwrap();
    let unresolved = world.load("unresolved", &unresolved).await.unwrap_err();
    assert!(unresolved.to_string().contains("nowhere"), "{unresolved}");
    assert_eq!(world.plugins.images().0, 0, "nothing was loaded here");
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_constructor_that_hangs_is_ended_with_its_child() {
    let all = World::new();
    let Some(path) = all.build("hang", SOURCE, &["-DCONSTRUCTOR=for(;;)pause()"]) else {
        return;
    };
    let probe = tandem_plugin_host::Probe {
        command: vec![common::probe()],
        limit: std::time::Duration::from_millis(100),
    };
    let hung = probe.run(&path).await.unwrap_err();
    assert!(hung.to_string().contains("hangs"), "{hung}");
    let none = tandem_plugin_host::Probe {
        command: vec!["/no/such/program".into()],
        ..probe
    };
    assert!(matches!(none.run(&path).await, Err(Refusal::Probe { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn manifests_no_host_can_go_by_are_refused() {
    let world = World::new();
    let says = async |name: &str, json: &str| {
        let define = format!("-DMANIFEST={}", json!(json));
        refused(&world, name, &[&define]).await
    };
    let Some(garbage) = says("garbage", "not JSON").await else {
        return;
    };
    assert!(garbage.to_string().contains("manifest"), "{garbage}");
    for (name, json, words) in [
        (
            "no-kind",
            r#"{"name": "c", "version": "1", "kinds": {}, "methods": {}}"#,
            "kinds",
        ),
        (
            "toaster",
            r#"{"name": "c", "version": "1", "kinds": {"toaster": 1}, "methods": {}}"#,
            "toaster",
        ),
        (
            "panics",
            r#"{"name": "c", "version": "1", "panic": "abort", "kinds": {"action": 1},
                "methods": {"action.a": {}}}"#,
            "abort",
        ),
        (
            "stray",
            r#"{"name": "c", "version": "1", "kinds": {"action": 1},
                "methods": {"action.a": {}, "tts": {}}}"#,
            "tts",
        ),
        (
            "schema",
            r#"{"name": "c", "version": "1", "kinds": {"action": 1},
                "methods": {"action.a": {"params": {"type": "strnig"}}}}"#,
            "action.a",
        ),
        (
            "error-code",
            r#"{"name": "c", "version": "1", "kinds": {"action": 1},
                "methods": {"action.a": {"errors": {"not found": "it is gone"}}}}"#,
            "not found",
        ),
        (
            "error-rest",
            r#"{"name": "c", "version": "1", "kinds": {"action": 1},
                "methods": {"action.a": {"errors": {"other": "anything else"}}}}"#,
            "stands for all others",
        ),
        (
            "error-meaning",
            r#"{"name": "c", "version": "1", "kinds": {"action": 1},
                "methods": {"action.a": {"errors": {"gone": ""}}}}"#,
            "one line",
        ),
    ] {
        let refusal = says(name, &json.replace('\n', "")).await.unwrap();
        assert!(refusal.to_string().contains(words), "{name}: {refusal}");
    }
    let null = refused(&world, "null", &["-DMANIFEST_NULL"]).await.unwrap();
    assert!(null.to_string().contains("77"), "{null}");
    let code = refused(&world, "code", &["-DMANIFEST_CODE=-6"])
        .await
        .unwrap();
    assert!(code.to_string().contains("-6"), "{code}");
    let no_call = refused(&world, "no-call", &["-DNO_CALL"]).await.unwrap();
    assert!(no_call.to_string().contains("`call`"), "{no_call}");
    assert_eq!(world.plugins.images().0, 0, "nothing was loaded here");
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configurations_that_do_not_fit_are_refused() {
    let world = World::new();
    let Some(path) = world.build("good2", SOURCE, &[]) else {
        return;
    };
    let load = async |config: PluginConfig| {
        let refusal = world.plugins.load(config).await.unwrap_err();
        tell(&refusal);
        refusal
    };
    let with = |change: &dyn Fn(&mut PluginConfig)| {
        let mut config = config("two", &path);
        change(&mut config);
        config
    };
    let schema = load(with(&|c| c.config = json!({"url": 7}))).await;
    assert!(schema.to_string().contains("`config/url`"), "{schema}");
    let kind = load(with(&|c| c.kinds = Some(vec![Kind::Channel]))).await;
    assert_eq!(kind, Refusal::KindNotAllowed(Kind::Action));
    assert_eq!(
        load(with(&|c| c.name = "Two".into())).await,
        Refusal::BadName
    );
    let both = with(&|c| c.command = Some(vec!["true".into()]));
    assert_eq!(load(both).await, Refusal::PathOrCommand);
    assert_eq!(load(with(&|c| c.path = None)).await, Refusal::PathOrCommand);

    let two = world.plugins.load(with(&|_| ())).await.unwrap();
    assert_eq!(load(with(&|_| ())).await, Refusal::SameName);
    assert!(call(&two, "action.echo", json!({})).await.is_ok());

    let says_no = refused(&world, "says-no", &["-DCREATE_REFUSES"])
        .await
        .unwrap();
    assert!(
        says_no.to_string().contains("the key is wrong"),
        "{says_no}"
    );
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_loads_of_one_name_at_once_one_is_refused() {
    let world = World::new();
    let Some(path) = world.build("same", SOURCE, &[]) else {
        return;
    };
    let (one, two) = tokio::join!(world.load("same", &path), world.load("same", &path));
    let refused = [one.err(), two.err()];
    assert_eq!(refused.iter().flatten().count(), 1, "{refused:?}");
    assert!(refused.contains(&Some(Refusal::SameName)), "{refused:?}");
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_file_or_belongs_to_somebody_else_is_refused_and_waits_for_nobody() {
    let world = World::new();
    let fifo = world.folder.join("fifo.so");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    mode(&fifo, 0o644);
    let refused = world.load("fifo", &fifo).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotAFile { .. }), "{refused:?}");
    let theirs = world.folder.join("theirs.so");
    fs::write(&theirs, "library").unwrap();
    mode(&theirs, 0o644);
    // Only root can give a file away; for all others this is not to be tried.
    if std::os::unix::fs::chown(&theirs, Some(65_534), None).is_ok() {
        let refused = world.load("theirs", &theirs).await.unwrap_err();
        assert!(
            matches!(refused, Refusal::Owner { owner: 65_534, .. }),
            "{refused:?}"
        );
        tell(&refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_create_that_never_returns_is_left_behind() {
    let mut quick = limits();
    quick.load = std::time::Duration::from_secs(2);
    let world = World::with(quick, std::sync::Arc::new(tandem_plugin_host::NoServices));
    let Some(hangs) = refused(&world, "hangs", &["-DCREATE_HANGS"]).await else {
        return;
    };
    assert!(matches!(hangs, Refusal::Create { .. }), "{hangs:?}");
    all_is_well(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_of_a_later_minor_version_loads() {
    let world = World::new();
    let Some(path) = world.build("newer", SOURCE, &["-DNEWER_MINOR"]) else {
        return;
    };
    let plugin = world.load("newer", &path).await.unwrap();
    assert!(call(&plugin, "action.echo", json!({})).await.is_ok());
    let manifest = world.plugins.inspect(&path).await.unwrap();
    assert_eq!(manifest.name, "c");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_are_counted_and_a_reload_too_many_leaves_what_is_there() {
    let mut few = limits();
    few.images = 3;
    let world = World::with(few, std::sync::Arc::new(tandem_plugin_host::NoServices));
    let Some(path) = world.build("again", SOURCE, &[]) else {
        return;
    };
    let plugin = world.load("again", &path).await.unwrap();
    for _ in 0..2 {
        plugin.reload(None).await.unwrap();
    }
    let refusal = plugin.reload(None).await.unwrap_err();
    assert_eq!(refusal, Refusal::Images { most: 3 });
    tell(&refusal);
    assert!(call(&plugin, "action.echo", json!({})).await.is_ok());
    assert_eq!(plugin.health().loads, 3);
}

#[test]
fn a_library_with_bytes_changed_anywhere_is_read_without_harm() {
    let world = World::new();
    let Some(path) = world.build("bent", SOURCE, &[]) else {
        return;
    };
    let whole = fs::read(path).unwrap();
    let header = tandem_plugin_host::elf::inspect(&whole).unwrap();
    assert_eq!(
        (header.abi_major, header.abi_minor, header.size),
        (1, 0, 48)
    );
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize
    };
    let mut refused = 0;
    for round in 0..4000 {
        let mut bent = whole.clone();
        // Most in the tables at the beginning, the others anywhere.
        let within = if round % 4 == 0 { bent.len() } else { 1200 };
        for _ in 0..1 + next() % 4 {
            let at = next() % within;
            bent[at] = next() as u8;
        }
        refused += usize::from(tandem_plugin_host::elf::inspect(&bent).is_err());
    }
    assert!(refused > 100, "{refused}");
}
