#![allow(clippy::unwrap_used)]

use super::{gather::MOST, *};

fn load(text: &str) -> Result<Config, Vec<Diagnostic>> {
    Config::parse(text, "tandem.yaml", &Environment::default())
}

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Vec<Diagnostic>> {
    let mut env = Environment::default();
    for (name, value) in variables {
        env = env.with(name, value);
    }
    Config::parse(text, "tandem.yaml", &env)
}

fn shown(result: Result<Config, Vec<Diagnostic>>) -> String {
    let problems = result.expect_err("the configuration is refused");
    problems
        .iter()
        .map(|problem| {
            let zh = problem.render(&tandem_domain::Locale::new("zh"));
            let (_, zh) = zh.split_once(": ").unwrap_or(("", &zh));
            let zh = zh.lines().next().unwrap_or_default();
            format!("{problem}\n  zh: {zh}")
        })
        .collect::<Vec<_>>()
        .join("\n\n")
}

#[test]
fn the_commented_file_holds_the_defaults() {
    assert_eq!(load(DEFAULT_YAML).unwrap(), Config::default());
    assert_eq!(load("").unwrap(), Config::default());
    let headings = "# all of it\nserver:\n  # listen: x\nchannels:\n  web:\napi:\n  tokens:\n";
    assert_eq!(load(headings).unwrap(), Config::default());
}

#[test]
fn the_commented_file_names_every_setting() {
    let written: serde_json::Value = serde_yaml::from_str(DEFAULT_YAML).unwrap();
    let known = serde_json::to_value(Config::default()).unwrap();
    let mut missing = Vec::new();
    compare("", &known, &written, &mut missing);
    assert_eq!(missing, Vec::<String>::new());
}

fn compare(
    path: &str,
    known: &serde_json::Value,
    written: &serde_json::Value,
    missing: &mut Vec<String>,
) {
    let Some(known) = known.as_object() else {
        return;
    };
    for (key, value) in known {
        let path = format!("{path}.{key}");
        match written.get(key) {
            Some(other) => compare(&path, value, other, missing),
            None => missing.push(path),
        }
    }
}

#[test]
fn the_schema_takes_what_the_program_takes() {
    let schema = jsonschema::validator_for(&Config::schema()).unwrap();
    let good = [
        DEFAULT_YAML,
        "{}",
        "server: {listen: '[::]:80', public_url: https://help.example.com}",
        "api: {tokens: [{name: crm, scopes: [admin], secret: {env: CRM}}]}",
        "api: {tokens: [{name: crm, scopes: [admin], secret: {file: /run/secrets/crm}}]}",
        "channels: {web: {accounts: {shop: {origins: ['*'], appearance: {title: Hello}}}}}",
        "channels: {web: {accounts: {shop: {appearance: {title: {en: Hello, zh: 你好}}}}}}",
        "limits: {drain: 90s}\nserver: {body_limit: 4096}",
    ];
    for text in good {
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        let errors: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{text}");
        load(text).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    }
    let bad = [
        "servr: {}",
        "server: {listen: 8080}",
        "limits: {drain: soon}",
        "limits: {send_attempts: 0}",
        "log: {format: xml}",
        "api: {tokens: [{name: crm, scopes: [everything], secret: {env: CRM}}]}",
        "api: {tokens: [{name: crm, scopes: [admin], secret: hunter2}]}",
        "secrets: {seal_key: {env: A, file: B}}",
    ];
    for text in bad {
        let value: serde_json::Value = serde_yaml::from_str(text).unwrap();
        assert!(!schema.is_valid(&value), "{text}");
        load(text).expect_err(text);
    }
}

#[test]
fn every_mistake_says_where_it_is_and_what_to_do() {
    let broken = [
        ("unknown_key", "server:\n  listn: 127.0.0.1:80\n"),
        ("unknown_section", "severs: {}\n"),
        ("wrong_kind", "server:\n  listen: [1, 2]\n"),
        ("bad_address", "server:\n  listen: localhost\n"),
        ("bad_time", "limits:\n  drain: 10 seconds\n"),
        ("bad_size", "server: {body_limit: huge}\n"),
        ("unknown_word", "log:\n  format: jsn\n"),
        ("unknown_store", "store: {kind: postgres}\n"),
        ("missing", "workspaces:\n  shop: {}\n"),
        (
            "twice",
            "log: {level: info}\nserver: {}\nlog: {level: warn}\n",
        ),
        ("not_yaml", "server:\n  listen: \"127.0.0.1:80\n"),
        ("tab", "server:\n\tlisten: 127.0.0.1:80\n"),
        ("a_list", "- server\n- log\n"),
        ("a_word", "server\n"),
        ("nothing_serves", "workspaces:\n"),
        (
            "words",
            "channels: {web: {accounts: {web: {appearance: {title: [Hello]}}}}}\n",
        ),
        (
            "no_such_workspace",
            "channels:\n  web:\n    accounts:\n      shop:\n        workspace: shops\n",
        ),
        (
            "origin",
            "channels: {web: {accounts: {shop: {origins: ['https://shop.example/']}}}}\n",
        ),
        (
            "literal_secret",
            "api:\n  tokens:\n    - name: crm\n      scopes: [admin]\n      secret: hunter2hunter2\n",
        ),
        (
            "unknown_scope",
            "api:\n  tokens:\n    - name: crm\n      scopes: [conversation:read]\n      secret: {env: CRM}\n",
        ),
        (
            "two_ways",
            "api:\n  tokens:\n    - {name: crm, scopes: [admin], secret: {env: CRM}, sha256: abc}\n",
        ),
        (
            "bad_hash",
            "api:\n  tokens:\n    - {name: crm, scopes: [admin], sha256: abc}\n",
        ),
        ("bad_name", "workspaces:\n  My Shop: {pack: flows/shop}\n"),
        ("bad_level", "log: {level: 'loud,=,'}\n"),
        ("bad_url", "server: {public_url: help.example.com}\n"),
        ("zero", "limits: {send_attempts: 0, send_lease: 1s}\n"),
        (
            "several",
            "server:\n  listen: 80\n  colour: red\nlog:\n  level: [info]\ndta_dir: x\n",
        ),
        (
            "two_documents",
            "log: {level: info}\n---\nlog: {level: warn}\n",
        ),
    ];
    let shown: Vec<String> = broken
        .iter()
        .map(|(name, text)| format!("## {name}\n{}\n", shown(load(text))))
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn hostile_files_are_refused_at_once() {
    let mut bomb = String::from("a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for (one, next) in ('a'..'k').zip('b'..) {
        let many = vec![format!("*{one}"); 10].join(", ");
        bomb.push_str(&format!("{next}: &{next} [{many}]\n"));
    }
    let deep = "[".repeat(5000);
    let wide = "x: 1\n".repeat(300_000);
    let many: String = (0..40_000).map(|i| format!("k{i}: 1\n")).collect();
    for text in [
        bomb.as_str(),
        &deep,
        &wide,
        &many,
        "\u{0}\u{1}",
        "a: &a [*a]",
        "? [1]: 2",
    ] {
        let problems = load(text).expect_err("refused");
        assert!(!problems.is_empty() && problems.len() <= MOST);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.yaml");
    std::fs::write(&path, [0xff, 0xfe, 0x00]).unwrap();
    Config::load(Some(&path), &Environment::default()).expect_err("not UTF-8");
    Config::load(Some(folder.path()), &Environment::default()).expect_err("a folder");
    let gone = folder.path().join("gone.yaml");
    let problems = Config::load(Some(&gone), &Environment::default()).expect_err("missing");
    assert_eq!(problems[0].code, "config.file");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(
        from in 0..DEFAULT_YAML.len(),
        length in 0_usize..80,
        put in r#"[ \t\n:{}\[\]&*!|>'"%@`,?a-z0-9\PC-]{0,40}"#,
        name in "[A-Z0-9_]{0,20}",
    ) {
        let mut text = DEFAULT_YAML.as_bytes().to_vec();
        let end = (from + length).min(text.len());
        text.splice(from..end, put.bytes());
        let text = String::from_utf8_lossy(&text);
        let _ = with(&text, &[(&format!("TANDEM__{name}"), &put)]);
        let _ = load(&put);
    }
}

#[test]
fn the_environment_overrides_the_file() {
    let config = with(
        "server: {listen: 127.0.0.1:80}\nworkspaces: {shop-one: {pack: a}}\nchannels: {web: {accounts: {}}}\n",
        &[
            ("TANDEM__SERVER__LISTEN", "0.0.0.0:9000"),
            ("TANDEM__WORKSPACES__SHOP_ONE__PACK", "123"),
            ("TANDEM__LIMITS__SEND_ATTEMPTS", "5"),
            ("TANDEM__API__OPEN_METRICS", "yes"),
            ("TANDEM__STORE__PATH", ""),
            ("TANDEM__API__TOKENS__0__NAME", "crm"),
            ("TANDEM__API__TOKENS__0__WORKSPACE", "shop-one"),
            ("TANDEM__API__TOKENS__0__SCOPES", "events:write, events:read"),
            ("TANDEM__API__TOKENS__0__SECRET__ENV", "CRM_TOKEN"),
            ("TANDEM_OTHER", "not ours"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:9000");
    assert_eq!(config.workspaces["shop-one"].pack, Path::new("123"));
    assert_eq!(config.limits.send_attempts, 5);
    assert!(config.api.open_metrics);
    assert_eq!(config.store.path, None);
    let token = &config.api.tokens[0];
    assert_eq!(token.scopes, [Scope::EventsWrite, Scope::EventsRead]);
    assert_eq!(token.secret, Some(Secret::Env("CRM_TOKEN".to_owned())));
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let shown = shown(with(
        "",
        &[
            ("TANDEM__SERVER__LISTN", "0.0.0.0:9000"),
            ("TANDEM__SERVER__LISTEN__PORT", "80"),
            ("TANDEM__LIMITS__DRAIN", "hunter2"),
            ("TANDEM__SECRETS__SEAL_KEY", "hunter2"),
            ("TANDEM____X", "hunter2"),
        ],
    ));
    assert!(!shown.contains("hunter2"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_secret_is_shown_nowhere() {
    let texts = [
        "secrets: {seal_key: hunter2}",
        "secrets: {seal_key: {evn: hunter2}}",
        "secrets:\n  seal_key: hunter2\n",
        "secrets:\n  sealkey: hunter2\n",
        "secrets:\n  seal_key:\n    hunter2\n",
        "secrets:\n  seal_key: 12345678\n",
        "api: {tokens: [hunter2]}",
        "api:\n  tokens:\n    - hunter2\n",
        "api:\n  tokens:\n    - {name: a, scopes: [admin], token: hunter2}\n",
        "api:\n  tokens:\n    - {name: a, scopes: [admin], secret: [hunter2]}\n",
        "channels: {web: {accounts: {web: {identity_secret: hunter2}}}}",
        "channels: {web: {accounts: {web: {keys: [{id: a, secret: hunter2}]}}}}",
        "channels: {web: {accounts: {web: {keys: hunter2}}}}",
        "secrets:\n  seal_key: \"hunter2\n",
        "secrets:\n  seal_key: *hunter2\n",
        "secrets:\n  seal_key: !hunter2 hunter2\n",
        "secrets:\n  seal_key: !hunter2!x y\n",
        "secrets:\n  seal_key: \"\\qhunter2\"\n",
    ];
    for text in texts {
        let problems = load(text).expect_err(text);
        let shown = format!("{problems:?}{}", shown(load(text)));
        // An unknown key is named; what stands behind it is not.
        assert!(
            !shown.contains("hunter2") && !shown.contains("12345678"),
            "{text}\n{shown}"
        );
    }
    let env = Environment::from([("A", "hunter2")]);
    let secret = Secret::Env("A".to_owned());
    let text = secret.resolve(&env).unwrap();
    assert_eq!(text.expose(), "hunter2");
    assert!(!format!("{text:?}{secret:?}{secret}{env:?}").contains("hunter2"));
}

#[test]
fn secrets_come_from_the_environment_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tandem.yaml");
    std::fs::write(folder.path().join("key"), "0123\n").unwrap();
    std::fs::write(&path, "secrets: {seal_key: {file: key}}\ndata_dir: d\n").unwrap();
    let config = Config::load(Some(&path), &Environment::default()).unwrap();
    assert_eq!(config.data_dir, folder.path().join("d"));
    assert_eq!(
        config.store_path(),
        folder.path().join("d").join("tandem.db")
    );
    let secret = config.secrets.seal_key.unwrap();
    assert_eq!(
        secret.resolve(&Environment::default()).unwrap().expose(),
        "0123"
    );
    let gone = Secret::File(folder.path().join("gone"));
    assert!(matches!(
        gone.resolve(&Environment::default()),
        Err(SecretError::Unreadable { .. })
    ));
    let unset = Secret::Env("NOT_SET".to_owned());
    assert!(matches!(
        unset.resolve(&Environment::default()),
        Err(SecretError::NotSet(_))
    ));
    let empty = Secret::Env("E".to_owned());
    assert!(matches!(
        empty.resolve(&Environment::from([("E", "")])),
        Err(SecretError::Empty(_))
    ));
}

#[test]
fn a_generated_key_is_kept_and_only_the_owner_can_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: folder.path().join("data"),
        ..Config::default()
    };
    let env = Environment::default();
    let first = config.seal_key(&env).unwrap();
    assert_eq!(first.bytes(), config.seal_key(&env).unwrap().bytes());
    let web = config
        .web_account("web", &WebAccount::default(), &env)
        .unwrap();
    web.validate().unwrap();
    assert_ne!(web.keys[0].secret.as_bytes(), first.bytes());
    let again = config
        .web_account("web", &WebAccount::default(), &env)
        .unwrap();
    assert_eq!(web.keys, again.keys);
    let kept = config.data_dir.join("keys").join("seal.key");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // A damaged key is never replaced: what is sealed under it would be lost.
    std::fs::write(&kept, "hunter2").unwrap();
    let error = config.seal_key(&env).unwrap_err();
    assert!(!format!("{error:?}{error}").contains("hunter2"));
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "hunter2");
}

#[test]
fn secrets_that_are_missing_or_too_short_stop_the_server() {
    let config = load(
        "api:\n  tokens:\n    - {name: crm, scopes: [admin], secret: {env: CRM}}\n\
         secrets: {seal_key: {env: SEAL}}\n\
         channels: {web: {accounts: {web: {keys: [{id: a, secret: {env: WEB}}]}}}}\n",
    )
    .unwrap();
    let account = &config.channels.web.accounts["web"];
    for short in [None, Some("hunter2")] {
        let env = match short {
            None => Environment::default(),
            Some(short) => Environment::from([("CRM", short), ("SEAL", short), ("WEB", short)]),
        };
        let errors = [
            config.api(&env).map(|_| ()).unwrap_err(),
            config.seal_key(&env).map(|_| ()).unwrap_err(),
            config
                .web_account("web", account, &env)
                .map(|_| ())
                .unwrap_err(),
        ];
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
    let token = "x".repeat(32);
    let env = Environment::from([
        ("CRM", token.clone()),
        ("SEAL", "0f".repeat(32)),
        ("WEB", token.clone()),
    ]);
    assert_eq!(
        config.api(&env).unwrap().tokens[0].hash,
        tandem_api::Token::hash(&token)
    );
    assert_eq!(config.seal_key(&env).unwrap().bytes(), [15; 32]);
    assert_eq!(
        config.web_account("web", account, &env).unwrap().keys[0].secret,
        token
    );
}

/// A kind of channel that takes a token and a number.
struct Toy;

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ToySettings {
    token: tandem_channel_kit::kind::Secret,
    #[serde(default)]
    pace: u32,
}

#[async_trait::async_trait]
impl tandem_channel_kit::Kind for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn capabilities(&self) -> tandem_domain::capabilities::Capabilities {
        tandem_domain::capabilities::Capabilities::default()
    }

    fn check(&self, settings: &serde_json::Value) -> Vec<tandem_channel_kit::kind::Complaint> {
        tandem_channel_kit::kind::check::<ToySettings>(settings, |read| {
            let too_fast = tandem_channel_kit::kind::Complaint {
                path: vec!["pace".into()],
                en: "at most 30".into(),
                zh: "至多 30".into(),
            };
            (read.pace > 30).then_some(too_fast).into_iter().collect()
        })
    }

    async fn open(
        &self,
        _: tandem_channel_kit::Opening,
    ) -> Result<std::sync::Arc<dyn tandem_channel_kit::Channel>, tandem_channel_kit::kind::OpenError>
    {
        Err(tandem_channel_kit::kind::OpenError::Failed("a toy".into()))
    }
}

fn with_toy(text: &str) -> Result<Config, Vec<Diagnostic>> {
    let kinds = Kinds::default().with(std::sync::Arc::new(Toy));
    Config::parse_with(text, "tandem.yaml", &Environment::default(), &kinds)
}

#[test]
fn other_channels_stand_beside_the_web() {
    let text = "
channels:
  toy:
    accounts:
      shop: {token: {env: TOY_TOKEN}, pace: 30}
  line:
    file: channels/line.luau
    accounts:
      main: {channel_secret: {file: line.key}, deep: [{env: X}, plain]}
";
    let mut config = with_toy(text).unwrap();
    // The web keeps its own account.
    assert!(config.channels.web.accounts.contains_key("web"));
    let names: Vec<_> = config.channels.accounts().collect();
    assert_eq!(names, [("web", "web"), ("line", "main"), ("toy", "shop")]);
    config.rebase(Path::new("/etc/tandem"));
    let line = &config.channels.others["line"];
    assert_eq!(
        line.file.as_deref(),
        Some(Path::new("/etc/tandem/channels/line.luau"))
    );
    let main = &line.accounts["main"];
    assert_eq!(main.workspace, "default");
    assert_eq!(
        main.settings["channel_secret"]["file"],
        "/etc/tandem/line.key"
    );
    let env = Environment::from([("TOY_TOKEN", "t0ken"), ("X", "x")]);
    let found = config.channels.others["toy"].accounts["shop"]
        .found(&env)
        .unwrap();
    let settings: ToySettings = tandem_channel_kit::kind::read(&found).unwrap();
    assert_eq!((settings.token.expose(), settings.pace), ("t0ken", 30));
    assert!(main.found(&env).is_err(), "the file is not there");
    // What was read is written the same.
    let again: Config = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn mistakes_in_other_channels_are_told_with_their_place() {
    let text = "
channels:
  toy:
    accounts:
      shop:
        token: s3cret-in-plain-sight
      Loud:
        workspace: nowhere
        token: {env: T}
        pace: 31
      web: {token: {env: T}}
  telegrm:
    accounts: {}
";
    let shown = shown(with_toy(text));
    assert!(!shown.contains("s3cret"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_setting_of_another_channel_comes_from_the_environment() {
    let env = Environment::from([("TANDEM__CHANNELS__TOY__ACCOUNTS__SHOP__TOKEN__ENV", "TOY")]);
    let kinds = Kinds::default().with(std::sync::Arc::new(Toy));
    let config = Config::parse_with("", "tandem.yaml", &env, &kinds).unwrap();
    let shop = &config.channels.others["toy"].accounts["shop"];
    assert_eq!(shop.settings["token"]["env"], "TOY");
}
