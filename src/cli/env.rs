//! `layerbase env DIALECT`: what to set so that a cloud's own clients talk to this server.
//!
//! Knows what each dialect's reference says about its real clients, and sends nothing. The output
//! is shell text: variables as exports, what can only be said in code as comments.

use clap::Args;
use serde_json::{Map, Value};

use super::access::KEY;
use super::failure::Failure;
use super::output::Output;
use crate::config::DIALECTS;
use crate::domain::KeyId;

/// Which cloud's clients.
#[derive(Debug, Args)]
pub(super) struct Env {
    /// The dialect
    #[arg(value_parser = DIALECTS)]
    dialect: String,
}

/// What `layerbase env --help` ends with.
pub(super) const HELP: &str = "\
Examples:
  layerbase env tencent
  eval \"$(layerbase env tencent --server http://127.0.0.1:8470)\"
  layerbase env huawei --json

Variables are printed as exports for a POSIX shell, what goes into code as comments. Where
LAYERBASE_KEY is set, the exports take id and secret from it; the secret itself is never printed.";

/// The values that are halves of a key.
const ID: &str = "{id}";
const SECRET: &str = "{secret}";

/// What stands for a key's halves where the server asks for none.
const ANY: &str = "local";

/// One dialect's clients; `{url}`, `{host}` and `{scheme}` stand for the server's, a value that is
/// `{id}` or `{secret}` for a half of the key.
struct Guide {
    title: &'static str,
    /// Where a key goes.
    key: &'static str,
    variables: &'static [(&'static str, &'static str)],
    code: &'static str,
}

/// Prints what to set; `key_id` is the public half of the key in the environment.
pub(super) fn run(
    env: &Env,
    server: &str,
    key_id: Option<&KeyId>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let server = server.trim_end_matches('/');
    // Alibaba's uploader puts its bucket before a host name; only an address stays as it is.
    let url = match server.strip_prefix("http://localhost") {
        Some(rest) => format!("http://127.0.0.1{rest}"),
        None => server.to_owned(),
    };
    let (scheme, authority) = url.split_once("://").unwrap_or(("http", &url));
    let authority = authority.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let fill = |text: &str| {
        let text = text.replace("{url}", &url).replace("{host}", authority);
        text.replace("{scheme}", scheme).replace("{SCHEME}", &scheme.to_uppercase())
    };
    let guide = guide(&env.dialect);
    if output.json() {
        let variables: Map<String, Value> = guide
            .variables
            .iter()
            .filter(|(_, text)| *text != SECRET || key_id.is_none())
            .map(|(name, text)| {
                let text = match *text {
                    ID => key_id.map_or(ANY, KeyId::as_str).to_owned(),
                    SECRET => ANY.to_owned(),
                    text => fill(text),
                };
                ((*name).to_owned(), text.into())
            })
            .chain(["NO_PROXY", "no_proxy"].map(|name| (name.to_owned(), host.into())))
            .collect();
        return output.line(&Value::Object(variables).to_string());
    }
    output.line(&format!("# {} at {url}", guide.title))?;
    for line in about_keys(guide, key_id).lines() {
        output.line(&format!("# {line}"))?;
    }
    for (name, text) in guide.variables {
        let value = match (*text, key_id) {
            // Taken apart by the shell that reads this, so that no secret is printed.
            (ID, Some(_)) => format!("\"${{{KEY}%%.*}}\""),
            (SECRET, Some(_)) => format!("\"${{{KEY}#*.}}\""),
            (ID | SECRET, None) => ANY.to_owned(),
            (text, _) => quote(&fill(text)),
        };
        output.line(&format!("export {name}={value}"))?;
    }
    for name in ["NO_PROXY", "no_proxy"] {
        output.line(&format!("export {name}={}\"${{{name}:+,${name}}}\"", quote(host)))?;
    }
    for line in fill(guide.code).lines() {
        output.line(format!("# {line}").trim_end())?;
    }
    Ok(())
}

/// Says which key to use and where it goes.
fn about_keys(guide: &Guide, key_id: Option<&KeyId>) -> String {
    let place = guide.key;
    match key_id {
        Some(id) if !guide.code.contains(ANY) => {
            format!("The key {id} of {KEY} is for\n{place}.")
        }
        Some(id) => format!(
            "The key {id} of {KEY}, <key id>.<secret>, goes where \"{ANY}\" stands below:\n{place}."
        ),
        None => format!(
            "With --auth off the server takes any key; \"{ANY}\" stands for it. With --auth on, make\n\
             one with `layerbase key add` and set {KEY}=<key id>.<secret>; it goes into\n{place}."
        ),
    }
}

/// Quotes a text for a POSIX shell where it needs it.
fn quote(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:/@".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

fn guide(dialect: &str) -> &'static Guide {
    match dialect {
        "alibaba" => &ALIBABA,
        "ctyun" => &CTYUN,
        "huawei" => &HUAWEI,
        "openyuanrong" => &OPENYUANRONG,
        "s3" => &S3,
        "tencent" => &TENCENT,
        _ => &NATIVE,
    }
}

const ALIBABA: Guide = Guide {
    title: "Alibaba Cloud Function Compute (2016-08-15, 2021-04-06, 2023-03-30)",
    key: "access_key_id and access_key_secret of the client; in s cli, `s config add`",
    variables: &[("FC_CLIENT_CUSTOM_ENDPOINT", "{url}"), ("FC_CODE_TEMP_OSS_ENDPOINT", "{url}")],
    code: r#"
Serverless Devs reads the variables; its region must be a known name. The second is where it puts
code before it publishes it; write an IP address there, for a bucket is put before any other name:
  s cli fc3 layer list --region cn-hangzhou
  s cli fc3 layer publish --layer-name NAME --code ./code --compatible-runtime python3.10 --region cn-hangzhou
Node, ali-oss, with what GET {url}/2016-08-15/tempBucketToken answers:
  new OSS({accessKeyId, accessKeySecret, stsToken, bucket: "local-temp", region: "oss-cn-hangzhou", endpoint: "{url}"})
Python, alibabacloud-fc20230330 (endpoint without the scheme, and the protocol beside it):
  from alibabacloud_tea_openapi.utils_models import Config
  Config(access_key_id="local", access_key_secret="local", endpoint="{host}", protocol="{scheme}")
Node, @alicloud/fc20230330:
  new $OpenApiUtil.Config({accessKeyId: "local", accessKeySecret: "local", endpoint: "{host}", protocol: "{scheme}"})
Node, @alicloud/fc2:
  new FC("1234567890123456", {accessKeyID: "local", accessKeySecret: "local", region: "cn-hangzhou", endpoint: "{url}"})
curl:
  curl '{url}/layers?limit=20'"#,
};

const CTYUN: Guide = Guide {
    title: "CTyun function compute",
    key: "access key and secret key, the two texts of Credential",
    variables: &[],
    code: r#"
CTyun's clients read no variable. Python, ctyun_python_sdk_core:
  from ctyun_python_sdk_core import CtyunClient, Credential
  client = CtyunClient(verify_tls=False)
  client.request("{url}/openapi/v1/layers/NAME/versions", "GET",
                 headers={"regionId": "local-1"}, params={"acl": "0"},
                 credential=Credential("local", "local"))
Go, package cf of the Terraform provider (as copied source):
  RegisterEndpoint(Endpoint{Name: "cf", Url: "{url}"})
The Terraform provider itself has its address built in and cannot be pointed here.
curl:
  curl -H 'regionId: local-1' '{url}/openapi/v1/layers/NAME/versions?acl=0'"#,
};

const HUAWEI: Guide = Guide {
    title: "Huawei Cloud FunctionGraph v2",
    key: "AK and SK; or all of it, <key id>.<secret>, into the header X-Auth-Token",
    variables: &[
        ("HUAWEICLOUD_SDK_AK", ID),
        ("HUAWEICLOUD_SDK_SK", SECRET),
        ("HUAWEICLOUD_SDK_PROJECT_ID", "0123456789abcdef0123456789abcdef"),
        ("HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_LOCAL_1", "{url}"),
    ],
    code: r#"
Python, huaweicloudsdkfunctiongraph, with the variables: FunctionGraphRegion.value_of("local-1")
  or in code (always with a project id):
  FunctionGraphClient.new_builder() \
      .with_credentials(BasicCredentials("local", "local", "0123456789abcdef0123456789abcdef")) \
      .with_endpoint("{url}").build()
Node, @huaweicloud/huaweicloud-sdk-functiongraph/v2/public-api (install uuid@9 beside it):
  FunctionGraphClient.newBuilder().withCredential(new BasicCredentials().withAk("local")
      .withSk("local").withProjectId("0123456789abcdef0123456789abcdef")).withEndpoint("{url}").build()
Terraform, provider huaweicloud:
  endpoints = { fgs = "{url}/" }
curl:
  curl -H 'X-Auth-Token: local' -H 'Content-Type: application/json' \
      '{url}/v2/0123456789abcdef0123456789abcdef/fgs/dependencies'"#,
};

const OPENYUANRONG: Guide = Guide {
    title: "openYuanrong",
    key: "the token that `layerbase key token <key id>` makes, for yrcli --jwt-token or the header X-Auth",
    variables: &[],
    code: r#"
yrcli, from the Python package openyuanrong-sdk, reads no variable:
  yrcli --server-address {host} list
  yrcli --server-address {host} deploy --skip-package true --function-json f.json
  yrcli --server-address {host} query -f svc@fn
curl:
  curl '{url}/serverless/v1/functions/0@svc@fn/versions?pageIndex=1&pageSize=10'
With --auth on each takes the token of a key, which is made where the data folder is:
  TOKEN=$(layerbase key token ID)
  yrcli --server-address {host} --jwt-token "$TOKEN" list
  curl -H "X-Auth: $TOKEN" '{url}/serverless/v1/functions/0@svc@fn/versions?pageIndex=1&pageSize=10'
yrcli says that there is no function also when its token was refused."#,
};

const S3: Guide = Guide {
    title: "The inbox, through clients of S3",
    key: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    variables: &[
        ("AWS_ENDPOINT_URL_S3", "{url}/s3"),
        ("AWS_DEFAULT_REGION", "local-1"),
        ("AWS_ACCESS_KEY_ID", ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ],
    code: "\
aws s3 cp code.zip s3://code/demo.zip
boto3:  boto3.client(\"s3\", config=Config(s3={\"addressing_style\": \"path\"}, signature_version=\"s3v4\"))
mc, s3cmd and others that take no path in an address:  {url}
s3cmd:  --host={host} --host-bucket={host} --access_key=ID --secret_key=SECRET, and --no-ssl for http
Path style only: a client that puts the bucket before the host name must be told so.
A layer or a function is then made from bucket \"code\" and object \"demo.zip\".",
};

const TENCENT: Guide = Guide {
    title: "Tencent Cloud SCF (2018-04-16)",
    key: "SecretId and SecretKey",
    variables: &[
        ("TENCENTCLOUD_SECRET_ID", ID),
        ("TENCENTCLOUD_SECRET_KEY", SECRET),
        ("TENCENTCLOUD_REGION", "ap-guangzhou"),
    ],
    code: r#"
tccli (the scheme is needed; without it TLS is used); once for all, or with each command:
  tccli configure set scf.endpoint {url}
  tccli scf ListLayers --endpoint {url}
Python, tencentcloud-sdk-python-scf:
  http = HttpProfile(protocol="{scheme}", endpoint="{host}")
  ScfClient(Credential("local", "local"), "ap-guangzhou", ClientProfile(httpProfile=http))
Node, tencentcloud-sdk-nodejs-scf (unset http_proxy: it is used even for 127.0.0.1):
  new scf.v20180416.Client({credential: {secretId: "local", secretKey: "local"}, region: "ap-guangzhou",
      profile: {httpProfile: {protocol: "{scheme}://", endpoint: "{host}"}}})
Go, tencentcloud-sdk-go:
  profile.HttpProfile.Scheme = "{SCHEME}"; profile.HttpProfile.Endpoint = "{host}"
curl:
  curl '{url}/' -H 'Content-Type: application/json' -H 'X-TC-Action: GetLayerVersion' \
      -H 'X-TC-Version: 2018-04-16' -d '{"LayerName":"NAME","LayerVersion":1}'"#,
};

const NATIVE: Guide = Guide {
    title: "the native API",
    key: "LAYERBASE_KEY or --key-file of this command line, the header Authorization: Bearer of others",
    variables: &[("LAYERBASE_SERVER", "{url}")],
    code: r#"
This command line reads the variable:
  layerbase layer ls
curl:
  curl --data-binary @layer.zip '{url}/api/v1/layers/NAME/versions?runtime=python3.12'
  curl '{url}/api/v1/layers/NAME/versions/latest'"#,
};

#[cfg(test)]
mod tests {
    use super::super::output::Form;
    use super::*;

    fn printed(dialect: &str, server: &str, json: bool) -> String {
        printed_with(dialect, server, None, json)
    }

    fn printed_with(dialect: &str, server: &str, key_id: Option<&KeyId>, json: bool) -> String {
        let (mut results, mut notes) = (Vec::new(), Vec::new());
        let form = Form { json, quiet: false };
        let mut output = Output::new(&mut results, &mut notes, form, jiff::Timestamp::UNIX_EPOCH);
        run(&Env { dialect: dialect.to_owned() }, server, key_id, &mut output).unwrap();
        String::from_utf8(results).unwrap()
    }

    #[test]
    fn every_dialect_has_its_own_guide_to_this_server() {
        let mut titles = Vec::new();
        for dialect in DIALECTS {
            titles.push(guide(dialect).title);
            let text = printed(dialect, "http://localhost:9000/", false);
            assert!(text.contains("127.0.0.1:9000"), "{text}");
            assert!(!text.contains("localhost") && !text.contains("{url}"), "{text}");
            let shell = |line: &str| line.starts_with('#') || line.starts_with("export ");
            assert!(text.lines().all(shell), "{text}");
        }
        titles.sort_unstable();
        titles.dedup();
        assert_eq!(titles.len(), DIALECTS.len());
    }

    #[test]
    fn exports_are_fit_for_eval_and_json_for_programs() {
        let text = printed("tencent", "http://[::1]:9000", false);
        assert!(text.contains("export TENCENTCLOUD_SECRET_ID=local\n"), "{text}");
        assert!(text.contains("export NO_PROXY='[::1]'\"${NO_PROXY:+,$NO_PROXY}\"\n"), "{text}");
        let json: Value = serde_json::from_str(&printed("native", "http://h:1", true)).unwrap();
        assert_eq!(json["LAYERBASE_SERVER"], "http://h:1");
        assert_eq!(json["NO_PROXY"], "h");
        for dialect in DIALECTS {
            let text = printed(dialect, "https://h:1", false);
            assert!(!text.contains("\"http\"") && !text.contains("SCHEME"), "{text}");
        }
        assert_eq!(quote("a'b c"), "'a'\\''b c'");
    }

    #[test]
    fn the_key_is_taken_from_the_environment_by_the_shell() {
        let key = KeyId::parse("LBTEST").unwrap();
        for dialect in DIALECTS {
            let without = printed(dialect, "http://h:1", false);
            assert!(without.contains("layerbase key add"), "{without}");
            let with = printed_with(dialect, "http://h:1", Some(&key), false);
            assert!(with.contains("LBTEST") && !with.contains("=local\n"), "{with}");
        }
        let text = printed_with("tencent", "http://h:1", Some(&key), false);
        let exports: Vec<&str> =
            text.lines().filter(|line| line.contains("TENCENTCLOUD_SECRET")).collect();
        let script = format!("{KEY}=LBTEST.a.b\n{}\n", exports.join("\n"));
        let print = "echo \"$TENCENTCLOUD_SECRET_ID $TENCENTCLOUD_SECRET_KEY\"";
        let shell = std::process::Command::new("sh").args(["-c", &(script + print)]).output();
        assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), "LBTEST a.b\n");
        let json = printed_with("huawei", "http://h:1", Some(&key), true);
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["HUAWEICLOUD_SDK_AK"], "LBTEST");
        assert!(json.get("HUAWEICLOUD_SDK_SK").is_none());
    }
}
