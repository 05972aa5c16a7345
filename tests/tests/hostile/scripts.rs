//! Lua and templates of a pack that loop, grow, recurse, break out or fail.

use std::fmt::Write as _;

use tandem_tests::{
    packs,
    server::Server,
    visitor::{Visitor, text},
};

use super::{BINARY, FLOWS, PACK, conversations, is_answered};

#[path = "../../../core/lua/tests/attacks/list.rs"]
#[allow(
    dead_code,
    reason = "which limit struck is for the sandbox's own test to say"
)]
mod list;

use list::{ATTACKS, Expect};

async fn serve(flows: &str, module: &str) -> (Server, tempfile::TempDir) {
    let mut files = PACK.to_vec();
    files.retain(|(name, _)| *name != "main.flow.yaml");
    files.push(("main.flow.yaml", flows));
    files.push(("bad.luau", module));
    let pack = packs::folder(&files);
    (Server::start(BINARY, pack.path()).await.unwrap(), pack)
}

/// The flows every test has, with slots and flows of its own and whatever stands beside them.
fn flows(slots: &str, own: &str, beside: &str) -> String {
    let (before, after) = FLOWS.split_once("faqs:").unwrap();
    format!("{before}{slots}faqs:{after}{own}{beside}")
}

async fn says(visitor: &mut Visitor, words: &str) -> Vec<String> {
    visitor.say(words).await.unwrap().iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_of_a_script_is_stopped_while_others_are_answered() {
    assert!(ATTACKS.len() >= 40);
    let mut module = String::from("local m = {}\n");
    let mut cases = String::new();
    for (n, (_, body, _)) in ATTACKS.iter().enumerate() {
        writeln!(
            module,
            "function m.a{n}() local value = 'hello'; {body} end"
        )
        .unwrap();
        write!(
            cases,
            "          'a{n}':
            - lua: bad.a{n}
              save: got
              on_error: [{{say: 'It broke, {{{{ name }}}}.'}}]
"
        )
        .unwrap();
    }
    module.push_str("return m\n");
    let own = format!(
        "  script:
    title: a script
    start_when: {{phrases: [run a script]}}
    steps:
      - id: who
        collect: name
        ask: What is your name?
      - id: next
        collect: which
        always_ask: true
        ask: Which one?
      - set: {{got: null}}
      - switch: which
        cases:
{cases}      - say: '{{{{ which }}}} gave {{{{ got }}}}.'
      - {{goto: next, max: 1000}}
"
    );
    let slots = "  which: {type: text}\n  got: {type: boolean, source: lua}\n";
    let (server, _pack) = serve(&flows(slots, &own, ""), &module).await;
    let mut bob = server.visitor().await.unwrap();
    let attack = async {
        let mut ann = server.visitor().await.unwrap();
        ann.say("run a script").await.unwrap();
        ann.say("Ann").await.unwrap();
        for (n, (name, _, expect)) in ATTACKS.iter().enumerate() {
            let id = format!("a{n}");
            ann.say(&id).await.unwrap();
            let said = loop {
                let lines = ann.transcript().await.unwrap();
                let own = lines.iter().rposition(|l| l["author"]["kind"] == "contact");
                let said: Vec<String> = lines[own.unwrap() + 1..].iter().map(text).collect();
                if said.last().is_some_and(|last| last == "Which one?") {
                    break said;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            };
            let harmless = said.len() == 2 && said[0].starts_with(&format!("{id} gave "));
            let stopped = said.len() == 3 && said[0] == "It broke, Ann.";
            let met = match expect {
                Expect::Harmless => harmless || stopped,
                // What only a step may do, it may.
                Expect::Kind(_) if name.ends_with("in a pure call") => harmless || stopped,
                Expect::Kind(_) | Expect::Stopped => stopped,
            };
            assert!(met, "{name}: {said:?}");
        }
    };
    let others = async {
        loop {
            is_answered(&mut bob).await;
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = attack => {}
        () = others => {}
    }
    let answers = bob.transcript().await.unwrap().len();
    assert!(
        answers >= 20,
        "others were answered only {} times",
        answers / 2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_in_a_turn_that_fail_leave_the_turn_whole() {
    let slots = "  code: {type: text, prepare: bad.spin}\n  word: {type: text, keep: conversation}\n  got: {type: integer, source: lua}\n";
    let own = "  order:
    title: an order
    start_when: {phrases: [I have a code]}
    steps:
      - id: word
        collect: word
        ask: Which word?
      - id: code
        collect: code
        ask: Which code?
        validate: [{lua: bad.fail}]
      - say: '{{ word }} and {{ code }}.'
  broken:
    title: something broken
    start_when: {phrases: [break it]}
    steps:
      - id: word
        collect: word
        ask: Which word?
      - lua: bad.spin
        save: got
      - say: It gave {{ got }}.
";
    let (before, after) = (
        "responses:\n",
        "  internal_error: 'That broke on our side, {{ word }}.'\n",
    );
    let flows = flows(slots, own, "").replacen(before, &format!("{before}{after}"), 1);
    let module = "local m = {}
function m.spin(value) while true do pcall(function() while true do end end) end end
function m.fail(value) error({code = 'x', [{}] = m}) end
return m
";
    let (server, _pack) = serve(&flows, module).await;
    let mut bob = server.visitor().await.unwrap();
    let mut ann = server.visitor().await.unwrap();
    says(&mut ann, "I have a code").await;
    assert_eq!(says(&mut ann, "tulip").await, ["Which code?"]);
    // A `prepare` that loops is left out; a validator that fails passes nothing on its own word.
    let (said, ()) = tokio::join!(says(&mut ann, "A1"), is_answered(&mut bob));
    assert!(!said.is_empty(), "silence");
    says(&mut ann, "cancel").await;

    // A step without a way for failures: the pattern's words, what is kept is kept, people help.
    let mut eve = server.visitor().await.unwrap();
    says(&mut eve, "break it").await;
    let (said, ()) = tokio::join!(says(&mut eve, "rose"), is_answered(&mut bob));
    assert_eq!(
        said.first().map(String::as_str),
        Some("That broke on our side, rose."),
        "{said:?}"
    );
    let queued = |c: &&serde_json::Value| c["routing_state"] == "queued";
    assert_eq!(
        conversations(&server).await.iter().filter(queued).count(),
        1
    );
    is_answered(&mut bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_that_loop_or_grow_end_and_the_conversation_goes_on() {
    // What can be seen to be endless is refused when the pack is read; what depends on the
    // customer's words is bounded when it is said.
    let texts = [
        "{% for i in range(1000) %}{% for j in range(1000) %}{{ name }}{% endfor %}{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ (name ~ name) * 100000000 }}",
        "{{ name | replace('', name * 1000) | replace('', name * 1000) }}",
        "{{ range(1000) | map('string') | join(name * 60) | split('') | join(name * 60) }}",
        "{{ name / 0 }} {{ name | nosuch }}",
    ];
    let mut taken = 0;
    for (n, template) in texts.iter().enumerate() {
        let own = format!(
            "  loop:
    title: a loop
    start_when: {{phrases: [run the loop]}}
    steps:
      - id: who
        collect: name
        ask: What is your name?
      - say: \"Text: {template}\"
      - say: After it, {{{{ name }}}}.
"
        );
        let flows = flows("", &own, "");
        let mut files = PACK.to_vec();
        files.retain(|(name, _)| *name != "main.flow.yaml");
        files.push(("main.flow.yaml", &flows));
        let pack = packs::folder(&files);
        if Server::start(BINARY, pack.path()).await.is_err() {
            continue;
        }
        taken += 1;
        let server = Server::start(BINARY, pack.path()).await.unwrap();
        let (mut ann, mut bob) = (
            server.visitor().await.unwrap(),
            server.visitor().await.unwrap(),
        );
        says(&mut ann, "run the loop").await;
        let (said, ()) = tokio::join!(says(&mut ann, "Ann"), is_answered(&mut bob));
        assert!(
            said.iter().any(|line| line == "After it, Ann."),
            "{n}: {said:?}"
        );
        assert!(said.iter().all(|line| line.len() <= 70_000), "{n}");
    }
    assert!(
        taken >= 2,
        "only {taken} templates got as far as being said"
    );
}
