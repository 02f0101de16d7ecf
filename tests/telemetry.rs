//! What a night tells a collector of traces.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// As much of a collector as a test needs: takes spans over HTTP.
fn collector() -> (String, Arc<Mutex<Vec<Span>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let spans = Arc::<Mutex<Vec<Span>>>::default();
    let kept = spans.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let kept = kept.clone();
            std::thread::spawn(move || while take(stream.as_ref().unwrap(), &kept).is_some() {});
        }
    });
    (url, spans)
}

fn take(mut stream: &TcpStream, kept: &Mutex<Vec<Span>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some((_, value)) = line.to_ascii_lowercase().split_once("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let told = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let spans = told
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans);
    kept.lock().unwrap().extend(spans);
    stream
        .write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )
        .ok()
}

#[test]
fn a_run_is_one_trace_from_its_beginning_to_the_calls_of_its_last_job() {
    let (url, spans) = collector();
    let folder = std::env::temp_dir().join(format!("fc-traces-{}", std::process::id()));
    let output = Command::new(env!("CARGO_BIN_EXE_forecourt"))
        .args(["demo", "--once", "--data-dir"])
        .arg(&folder)
        .env_remove("DATABASE_URL")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        .output()
        .unwrap();
    let _ = std::fs::remove_dir_all(&folder);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let spans = spans.lock().unwrap();
    let runs: Vec<&Span> = spans
        .iter()
        .filter(|span| span.name == "run pull_source")
        .collect();
    assert!(runs.len() >= 3, "one for each dealer: {}", runs.len());
    for run in runs {
        assert!(
            run.parent_span_id.is_empty(),
            "it is the first of its trace"
        );
        let of_run: Vec<&Span> = spans
            .iter()
            .filter(|span| span.trace_id == run.trace_id)
            .collect();
        for kind in ["pull_source", "load_file", "decode_vins"] {
            let job = of_run.iter().find(|span| span.name == kind);
            let job = job.unwrap_or_else(|| panic!("no {kind} in the trace"));
            assert_eq!(job.parent_span_id, run.span_id, "{kind}");
        }
        let pull = of_run.iter().find(|span| span.name == "pull_source");
        let call = of_run
            .iter()
            .find(|span| span.name == "call" && span.parent_span_id == pull.unwrap().span_id);
        let partner = call.and_then(|call| call.attributes.iter().find(|a| a.key == "partner"));
        let partner = partner.expect("a call of the drop").value.clone().unwrap();
        assert!(format!("{partner:?}").contains("sftp "), "{partner:?}");
    }
}
