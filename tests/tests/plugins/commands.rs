//! `tandem check` and `tandem plugin`.

use super::*;

#[test]
fn check_tells_what_packs_expect_and_configured_plugins_do_not_keep() {
    let folder = folder();
    let at = folder.path().join("libparcel.so");
    replace(&parcel(), &at);
    let pack = pack(TRACK, &[("parcel", &at)]);
    let plugins =
        json!({"parcel": {"path": "libparcel.so", "config": {"url": "http://c.example"}}});
    let config = json!({
        "workspaces": {"default": {"pack": pack.path()}},
        "plugin_folders": [folder.path()], "plugins": plugins,
    });
    fs::write(pack.path().join("tandem.yaml"), config.to_string()).unwrap();
    let check = |args: &[&str]| {
        let args: Vec<&str> = ["check", "tandem.yaml"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        tandem(&args, pack.path())
    };
    let kept = check(&["--strict"]);
    assert!(
        out(&kept).contains("no problems"),
        "{}{}",
        out(&kept),
        err(&kept)
    );

    let contract = pack.path().join("plugins/parcel.json");
    let mut promised: Value =
        serde_json::from_str(&fs::read_to_string(&contract).unwrap()).unwrap();
    promised["methods"]["action.find"] = json!({});
    fs::write(&contract, promised.to_string()).unwrap();
    fs::write(pack.path().join("plugins/crm.json"), promised.to_string()).unwrap();
    let told = check(&[]);
    assert!(told.status.success(), "{}", out(&told));
    let text = out(&told);
    assert!(
        text.contains("parcel.json: warning: the pack was checked against parcel")
            && text.contains("the method `action.find` is gone [config.contract]")
            && text.contains("= write the contract again and check the pack: tandem plugin inspect parcel --write "),
        "{text}"
    );
    assert!(
        text.contains("crm.json: note: the configuration does not name the plugin `crm`"),
        "{text}"
    );
    assert!(text.contains("0 errors, 1 warning"), "{text}");
    let zh = out(&check(&["--lang", "zh"]));
    assert!(zh.contains("parcel.json: 警告：业务包按 parcel"), "{zh}");
    assert!(zh.contains("crm.json: 说明：配置中没有插件 `crm`"), "{zh}");
    assert_eq!(check(&["--strict"]).status.code(), Some(1));

    let json: Value = serde_json::from_str(&out(&check(&["--format", "json"]))).unwrap();
    let problems = json["results"][0]["problems"].as_array().unwrap();
    let said: Vec<_> = problems
        .iter()
        .map(|p| (&p["setting"], &p["warning"], &p["note"]))
        .collect();
    let (yes, none) = (json!(true), Value::Null);
    let (crm, parcel) = (json!("plugins.crm"), json!("plugins.parcel"));
    assert_eq!(said, [(&crm, &none, &yes), (&parcel, &yes, &none)]);
    assert!(
        problems[1]["file"]
            .as_str()
            .unwrap()
            .ends_with("plugins/parcel.json")
    );
    assert!(
        problems[1]["hint"]["zh"]
            .as_str()
            .unwrap()
            .contains("请重写契约")
    );
    assert_eq!(json["ok"], true);
}

#[test]
fn a_new_plugin_builds_passes_its_test_and_is_checked() {
    let folder = folder();
    for (language, build, test, plugin, needs) in [
        ("c", "make", "make test", "hey.so", "cc"),
        ("python", "true", "python3 -m unittest", "hey.py", "python3"),
    ] {
        let test_name = "a_new_plugin_builds_passes_its_test_and_is_checked";
        if !require::tool(needs, test_name)
            || (language == "c" && !require::tool("make", test_name))
        {
            continue;
        }
        let at = folder.path().join(language);
        let args = [
            "plugin",
            "new",
            "hey",
            "--language",
            language,
            "--folder",
            language,
        ];
        let made = tandem(&args, folder.path());
        assert!(made.status.success(), "{}", err(&made));
        for command in [build, test] {
            let ran = Command::new("sh")
                .args(["-c", command])
                .current_dir(&at)
                .output()
                .unwrap();
            assert!(
                ran.status.success(),
                "{command}: {}{}",
                out(&ran),
                err(&ran)
            );
        }
        fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
        let inspected = tandem(&["plugin", "inspect", plugin], &at);
        assert!(
            out(&inspected).contains("{name: string} → {text: string}")
                && out(&inspected).contains("error no_name  there is nobody to greet"),
            "{}",
            out(&inspected)
        );
        let config = match language {
            "c" => json!({"path": plugin}),
            _ => json!({"command": ["python3", plugin], "config": {"greeting": "Hello"}}),
        };
        let config = json!({"plugin_folders": ["."], "plugins": {"hey": config}});
        fs::write(at.join("tandem.yaml"), config.to_string()).unwrap();
        let checked = tandem(&["plugin", "check", "hey"], &at);
        assert!(
            checked.status.success(),
            "{}{}",
            out(&checked),
            err(&checked)
        );
        assert!(
            out(&checked).contains("it is loaded and begins"),
            "{}",
            out(&checked)
        );
    }
    let again = tandem(&["plugin", "new", "hey", "--folder", "c"], folder.path());
    assert_eq!(
        again.status.code(),
        Some(2),
        "a folder in use is left alone"
    );
    let refused = tandem(
        &["plugin", "check", "/bin/sh", "--format", "json"],
        folder.path(),
    );
    assert_eq!(refused.status.code(), Some(1), "{}", err(&refused));
}

#[test]
fn a_new_plugin_in_rust_builds_and_passes_its_tests_outside_of_the_repository() {
    let folder = folder();
    for kind in ["action", "channel"] {
        let at = folder.path().join(kind);
        let sdk = root().join("plugins/sdk").display().to_string();
        let args = [
            "plugin", "new", "hey", "--kind", kind, "--folder", kind, "--sdk", &sdk,
        ];
        let made = tandem(&args, folder.path());
        assert!(made.status.success(), "{}", err(&made));
        // The versions that are here already: nothing is fetched.
        fs::copy(root().join("Cargo.lock"), at.join("Cargo.lock")).unwrap();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let ran = Command::new(cargo)
            .args(["test", "--offline", "--quiet"])
            .env("CARGO_TARGET_DIR", root().join("target/new-plugin"))
            .current_dir(&at)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{}{}", out(&ran), err(&ran));
        assert!(out(&ran).contains("2 passed"), "{}", out(&ran));
    }
}
