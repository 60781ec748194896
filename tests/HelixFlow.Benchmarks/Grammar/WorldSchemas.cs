namespace HelixFlow.Benchmarks.Grammar;

/// <summary>Larger schemas after well-known kinds of documents, written for this measurement: open objects, maps, references and unions as they occur in practice.</summary>
internal static class WorldSchemas
{
    public static IReadOnlyList<(string Name, string Schema)> All { get; } =
    [
        ("github-event", """
            {"type":"object","required":["action","repository","sender"],"properties":{
              "action":{"enum":["opened","closed","reopened","edited","labeled","synchronize"]},
              "number":{"type":"integer","minimum":1},
              "pull_request":{"type":"object","required":["id","title","state","user","head","base"],"properties":{
                "id":{"type":"integer"},"title":{"type":"string"},"body":{"type":["string","null"]},"state":{"enum":["open","closed"]},"draft":{"type":"boolean"},
                "created_at":{"type":"string","format":"date-time"},"merged_at":{"anyOf":[{"type":"string","format":"date-time"},{"type":"null"}]},
                "user":{"$ref":"#/$defs/user"},"assignees":{"type":"array","items":{"$ref":"#/$defs/user"}},
                "labels":{"type":"array","items":{"type":"object","required":["name","color"],"properties":{"name":{"type":"string"},"color":{"type":"string","pattern":"^[0-9a-f]{6}$"},"default":{"type":"boolean"}}}},
                "head":{"$ref":"#/$defs/ref"},"base":{"$ref":"#/$defs/ref"},"additions":{"type":"integer","minimum":0},"deletions":{"type":"integer","minimum":0}}},
              "repository":{"$ref":"#/$defs/repo"},"sender":{"$ref":"#/$defs/user"}},
             "$defs":{
              "user":{"type":"object","required":["login","id"],"properties":{"login":{"type":"string","pattern":"^[A-Za-z0-9-]{1,39}$"},"id":{"type":"integer"},"type":{"enum":["User","Bot","Organization"]},"site_admin":{"type":"boolean"},"html_url":{"type":"string","format":"uri"}}},
              "repo":{"type":"object","required":["id","full_name","private"],"properties":{"id":{"type":"integer"},"full_name":{"type":"string","pattern":"^[^/]+/[^/]+$"},"private":{"type":"boolean"},"owner":{"$ref":"#/$defs/user"},"topics":{"type":"array","items":{"type":"string"}},"default_branch":{"type":"string"}}},
              "ref":{"type":"object","required":["ref","sha"],"properties":{"ref":{"type":"string"},"sha":{"type":"string","pattern":"^[0-9a-f]{40}$"},"repo":{"anyOf":[{"$ref":"#/$defs/repo"},{"type":"null"}]}}}}}
            """),
        ("package-json", """
            {"type":"object","required":["name","version"],"properties":{
              "name":{"type":"string","maxLength":214,"pattern":"^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*$"},
              "version":{"type":"string","pattern":"^[0-9]+\\.[0-9]+\\.[0-9]+(-[0-9A-Za-z.-]+)?$"},"description":{"type":"string"},"private":{"type":"boolean"},
              "keywords":{"type":"array","items":{"type":"string"}},"license":{"type":"string"},
              "author":{"$ref":"#/$defs/person"},"contributors":{"type":"array","items":{"$ref":"#/$defs/person"}},
              "type":{"enum":["commonjs","module"]},"main":{"type":"string"},"exports":{"$ref":"#/$defs/exports"},
              "bin":{"anyOf":[{"type":"string"},{"type":"object","additionalProperties":{"type":"string"}}]},
              "scripts":{"type":"object","properties":{"test":{"type":"string"},"build":{"type":"string"},"start":{"type":"string"},"prepublishOnly":{"type":"string"}},"additionalProperties":{"type":"string"}},
              "dependencies":{"$ref":"#/$defs/deps"},"devDependencies":{"$ref":"#/$defs/deps"},"peerDependencies":{"$ref":"#/$defs/deps"},
              "engines":{"type":"object","additionalProperties":{"type":"string"}},"files":{"type":"array","items":{"type":"string"}}},
             "$defs":{"deps":{"type":"object","additionalProperties":{"type":"string"}},
              "person":{"anyOf":[{"type":"string"},{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"email":{"type":"string","format":"email"},"url":{"type":"string","format":"uri"}}}]},
              "exports":{"anyOf":[{"type":"string"},{"type":"null"},{"type":"array","items":{"$ref":"#/$defs/exports"}},{"type":"object","additionalProperties":{"$ref":"#/$defs/exports"}}]}}}
            """),
        ("fhir-patient", """
            {"type":"object","required":["resourceType","id"],"additionalProperties":false,"properties":{
              "resourceType":{"const":"Patient"},"id":{"type":"string","pattern":"^[A-Za-z0-9.-]{1,64}$"},"active":{"type":"boolean"},
              "identifier":{"type":"array","items":{"$ref":"#/$defs/identifier"}},"name":{"type":"array","items":{"$ref":"#/$defs/name"},"minItems":1},
              "telecom":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"system":{"enum":["phone","fax","email","pager","url","sms","other"]},"value":{"type":"string"},"use":{"enum":["home","work","temp","old","mobile"]},"rank":{"type":"integer","minimum":1}}}},
              "gender":{"enum":["male","female","other","unknown"]},"birthDate":{"type":"string","format":"date"},"deceasedDateTime":{"type":"string","format":"date-time"},
              "address":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"use":{"enum":["home","work","temp","old","billing"]},"line":{"type":"array","items":{"type":"string"}},"city":{"type":"string"},"state":{"type":"string"},"postalCode":{"type":"string"},"country":{"type":"string"},"period":{"$ref":"#/$defs/period"}}}},
              "maritalStatus":{"$ref":"#/$defs/concept"},"contact":{"type":"array","items":{"type":"object","additionalProperties":false,"properties":{"relationship":{"type":"array","items":{"$ref":"#/$defs/concept"}},"name":{"$ref":"#/$defs/name"}}}}},
             "$defs":{
              "period":{"type":"object","additionalProperties":false,"properties":{"start":{"type":"string","format":"date-time"},"end":{"type":"string","format":"date-time"}}},
              "coding":{"type":"object","additionalProperties":false,"properties":{"system":{"type":"string","format":"uri"},"version":{"type":"string"},"code":{"type":"string"},"display":{"type":"string"}}},
              "concept":{"type":"object","additionalProperties":false,"properties":{"coding":{"type":"array","items":{"$ref":"#/$defs/coding"}},"text":{"type":"string"}}},
              "identifier":{"type":"object","additionalProperties":false,"properties":{"use":{"enum":["usual","official","temp","secondary"]},"type":{"$ref":"#/$defs/concept"},"system":{"type":"string","format":"uri"},"value":{"type":"string"},"period":{"$ref":"#/$defs/period"}}},
              "name":{"type":"object","additionalProperties":false,"properties":{"use":{"enum":["usual","official","temp","nickname","anonymous","old","maiden"]},"text":{"type":"string"},"family":{"type":"string"},"given":{"type":"array","items":{"type":"string"}},"prefix":{"type":"array","items":{"type":"string"}},"period":{"$ref":"#/$defs/period"}}}}}
            """),
        ("openapi", """
            {"type":"object","required":["openapi","info","paths"],"additionalProperties":false,"properties":{
              "openapi":{"type":"string","pattern":"^3\\.1\\.[0-9]$"},"info":{"type":"object","required":["title","version"],"properties":{"title":{"type":"string"},"version":{"type":"string"},"description":{"type":"string"}}},
              "servers":{"type":"array","items":{"type":"object","required":["url"],"properties":{"url":{"type":"string"},"description":{"type":"string"}}}},
              "paths":{"type":"object","patternProperties":{"^/":{"type":"object","additionalProperties":false,"properties":{"get":{"$ref":"#/$defs/operation"},"post":{"$ref":"#/$defs/operation"},"put":{"$ref":"#/$defs/operation"},"delete":{"$ref":"#/$defs/operation"}}}},"additionalProperties":false},
              "components":{"type":"object","properties":{"schemas":{"type":"object","additionalProperties":{"$ref":"#/$defs/schema"}}}}},
             "$defs":{
              "operation":{"type":"object","required":["responses"],"additionalProperties":false,"properties":{"operationId":{"type":"string"},"summary":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
                "parameters":{"type":"array","items":{"type":"object","required":["name","in"],"properties":{"name":{"type":"string"},"in":{"enum":["query","path","header","cookie"]},"required":{"type":"boolean"},"schema":{"$ref":"#/$defs/schema"}}}},
                "requestBody":{"type":"object","properties":{"content":{"$ref":"#/$defs/content"},"required":{"type":"boolean"}}},
                "responses":{"type":"object","patternProperties":{"^([1-5][0-9]{2}|default)$":{"type":"object","required":["description"],"properties":{"description":{"type":"string"},"content":{"$ref":"#/$defs/content"}}}},"additionalProperties":false}}},
              "content":{"type":"object","additionalProperties":{"type":"object","properties":{"schema":{"$ref":"#/$defs/schema"}}}},
              "schema":{"type":"object","properties":{"$ref":{"type":"string"},"type":{"enum":["object","array","string","number","integer","boolean","null"]},"format":{"type":"string"},"enum":{"type":"array"},"items":{"$ref":"#/$defs/schema"},"properties":{"type":"object","additionalProperties":{"$ref":"#/$defs/schema"}},"required":{"type":"array","items":{"type":"string"}}}}}}
            """),
        ("kubernetes", """
            {"type":"object","required":["apiVersion","kind","metadata","spec"],"additionalProperties":false,"properties":{
              "apiVersion":{"const":"apps/v1"},"kind":{"const":"Deployment"},
              "metadata":{"$ref":"#/$defs/meta"},
              "spec":{"type":"object","required":["replicas","selector","template"],"additionalProperties":false,"properties":{
                "replicas":{"type":"integer","minimum":0,"maximum":1000},"selector":{"type":"object","properties":{"matchLabels":{"$ref":"#/$defs/labels"}},"additionalProperties":false},
                "strategy":{"type":"object","additionalProperties":false,"properties":{"type":{"enum":["Recreate","RollingUpdate"]}}},
                "template":{"type":"object","required":["metadata","spec"],"additionalProperties":false,"properties":{"metadata":{"$ref":"#/$defs/meta"},
                  "spec":{"type":"object","required":["containers"],"additionalProperties":false,"properties":{"containers":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/container"}},"restartPolicy":{"enum":["Always","OnFailure","Never"]},"nodeSelector":{"$ref":"#/$defs/labels"}}}}}}}},
             "$defs":{"labels":{"type":"object","additionalProperties":{"type":"string","maxLength":63}},
              "meta":{"type":"object","additionalProperties":false,"properties":{"name":{"type":"string","pattern":"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},"namespace":{"type":"string"},"labels":{"$ref":"#/$defs/labels"},"annotations":{"$ref":"#/$defs/labels"}}},
              "quantity":{"type":"string","pattern":"^[0-9]+(\\.[0-9]+)?(m|Ki|Mi|Gi|Ti|k|M|G|T)?$"},
              "container":{"type":"object","required":["name","image"],"additionalProperties":false,"properties":{"name":{"type":"string"},"image":{"type":"string"},"command":{"type":"array","items":{"type":"string"}},
                "env":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string","pattern":"^[A-Z_][A-Z0-9_]*$"},"value":{"type":"string"}},"additionalProperties":false}},
                "ports":{"type":"array","items":{"type":"object","required":["containerPort"],"additionalProperties":false,"properties":{"containerPort":{"type":"integer","minimum":1,"maximum":65535},"protocol":{"enum":["TCP","UDP"]}}}},
                "resources":{"type":"object","additionalProperties":false,"properties":{"limits":{"type":"object","additionalProperties":{"$ref":"#/$defs/quantity"}},"requests":{"type":"object","additionalProperties":{"$ref":"#/$defs/quantity"}}}}}}}}
            """),
        ("resume", """
            {"type":"object","required":["name","skills","experience"],"additionalProperties":false,"properties":{
              "name":{"type":"string"},"headline":{"type":["string","null"]},"email":{"type":["string","null"]},"phone":{"type":["string","null"]},
              "skills":{"type":"array","items":{"type":"object","required":["name","level"],"additionalProperties":false,"properties":{"name":{"type":"string"},"level":{"enum":["basic","good","expert"]},"years":{"type":["integer","null"]}}}},
              "experience":{"type":"array","items":{"type":"object","required":["company","title","from","to","tasks"],"additionalProperties":false,"properties":{"company":{"type":"string"},"title":{"type":"string"},"from":{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}$"},"to":{"anyOf":[{"type":"string","pattern":"^[0-9]{4}-[0-9]{2}$"},{"const":"present"}]},"tasks":{"type":"array","items":{"type":"string"}}}}},
              "education":{"type":"array","items":{"type":"object","required":["school","degree","year"],"additionalProperties":false,"properties":{"school":{"type":"string"},"degree":{"type":"string"},"year":{"type":"integer","minimum":1950,"maximum":2035}}}},
              "languages":{"type":"array","items":{"enum":["en","de","fr","es","it","pt","zh","ja","ko","ar","hi","ru"]}}}}
            """),
        ("product", """
            {"type":"object","required":["sku","title","price","variants"],"additionalProperties":false,"properties":{
              "sku":{"type":"string","pattern":"^[A-Z]{3}-[0-9]{5}$"},"title":{"type":"string","minLength":3,"maxLength":140},"description":{"type":"string","maxLength":5000},
              "price":{"type":"object","required":["amount","currency"],"additionalProperties":false,"properties":{"amount":{"type":"number","minimum":0,"multipleOf":0.01},"currency":{"type":"string","pattern":"^[A-Z]{3}$"}}},
              "variants":{"type":"array","minItems":1,"maxItems":100,"items":{"type":"object","required":["id","options"],"additionalProperties":false,"properties":{"id":{"type":"string","format":"uuid"},"options":{"type":"object","additionalProperties":{"type":"string","maxLength":40},"maxProperties":5},"stock":{"type":"integer","minimum":0}}}},
              "images":{"type":"array","items":{"type":"string","format":"uri"}},"rating":{"anyOf":[{"type":"number","minimum":0,"maximum":5},{"type":"null"}]},"tags":{"type":"array","items":{"type":"string","pattern":"^[a-z0-9-]+$"}}}}
            """),
        ("workflow", """
            {"type":"object","required":["on","jobs"],"properties":{
              "name":{"type":"string"},
              "on":{"anyOf":[{"enum":["push","pull_request","workflow_dispatch","schedule"]},{"type":"array","items":{"enum":["push","pull_request","workflow_dispatch","schedule"]}},{"type":"object","properties":{"push":{"$ref":"#/$defs/branches"},"pull_request":{"$ref":"#/$defs/branches"},"schedule":{"type":"array","items":{"type":"object","required":["cron"],"properties":{"cron":{"type":"string"}}}}},"additionalProperties":false}]},
              "env":{"$ref":"#/$defs/env"},
              "jobs":{"type":"object","minProperties":1,"additionalProperties":{"type":"object","required":["runs-on","steps"],"properties":{"name":{"type":"string"},"runs-on":{"type":"string"},"needs":{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]},"if":{"type":"string"},"timeout-minutes":{"type":"integer","minimum":1},"env":{"$ref":"#/$defs/env"},
                "steps":{"type":"array","items":{"oneOf":[{"type":"object","required":["uses"],"properties":{"name":{"type":"string"},"uses":{"type":"string"},"with":{"$ref":"#/$defs/env"}},"additionalProperties":false},{"type":"object","required":["run"],"properties":{"name":{"type":"string"},"run":{"type":"string"},"shell":{"enum":["bash","pwsh","sh"]},"env":{"$ref":"#/$defs/env"}},"additionalProperties":false}]}}},"additionalProperties":false}}},
             "additionalProperties":false,
             "$defs":{"branches":{"type":"object","properties":{"branches":{"type":"array","items":{"type":"string"}},"paths":{"type":"array","items":{"type":"string"}}},"additionalProperties":false},"env":{"type":"object","additionalProperties":{"type":["string","number","boolean"]}}}}
            """),
        ("query", """
            {"$ref":"#/$defs/select","$defs":{
              "select":{"type":"object","required":["columns","from"],"additionalProperties":false,"properties":{"columns":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/column"}},"from":{"$ref":"#/$defs/table"},"joins":{"type":"array","items":{"type":"object","required":["table","on"],"additionalProperties":false,"properties":{"kind":{"enum":["inner","left","right","full"]},"table":{"$ref":"#/$defs/table"},"on":{"$ref":"#/$defs/condition"}}}},"where":{"$ref":"#/$defs/condition"},"order_by":{"type":"array","items":{"type":"object","required":["column"],"additionalProperties":false,"properties":{"column":{"type":"string"},"descending":{"type":"boolean"}}}},"limit":{"type":"integer","minimum":1,"maximum":10000}}},
              "table":{"enum":["customers","orders","order_items","products","suppliers","employees","regions"]},
              "column":{"anyOf":[{"type":"string"},{"type":"object","required":["function","column"],"additionalProperties":false,"properties":{"function":{"enum":["count","sum","avg","min","max"]},"column":{"type":"string"},"as":{"type":"string"}}}]},
              "condition":{"anyOf":[{"type":"object","required":["and"],"additionalProperties":false,"properties":{"and":{"type":"array","minItems":2,"items":{"$ref":"#/$defs/condition"}}}},{"type":"object","required":["or"],"additionalProperties":false,"properties":{"or":{"type":"array","minItems":2,"items":{"$ref":"#/$defs/condition"}}}},{"type":"object","required":["left","op","right"],"additionalProperties":false,"properties":{"left":{"type":"string"},"op":{"enum":["=","<>","<","<=",">",">=","like","in"]},"right":{"anyOf":[{"type":"string"},{"type":"number"},{"type":"boolean"},{"type":"null"},{"type":"array","items":{"type":["string","number"]}}]}}}]}}}
            """),
        ("log-event", """
            {"type":"object","required":["timestamp","level","message","service"],"properties":{
              "timestamp":{"type":"string","format":"date-time"},"level":{"enum":["TRACE","DEBUG","INFO","WARN","ERROR","FATAL"]},"message":{"type":"string","maxLength":8192},"service":{"type":"string"},
              "trace_id":{"type":"string","pattern":"^[0-9a-f]{32}$"},"span_id":{"type":"string","pattern":"^[0-9a-f]{16}$"},
              "http":{"type":"object","properties":{"method":{"enum":["GET","POST","PUT","PATCH","DELETE"]},"url":{"type":"string","format":"uri"},"status":{"type":"integer","minimum":100,"maximum":599},"duration_ms":{"type":"number","minimum":0}}},
              "error":{"type":"object","required":["type"],"properties":{"type":{"type":"string"},"stack":{"type":"array","items":{"type":"string"}}}},"attributes":{"type":"object","additionalProperties":{"type":["string","number","boolean","null"]}}},
             "additionalProperties":false}
            """),
        ("order", """
            {"type":"object","required":["id","customer","items","status","total"],"additionalProperties":false,"properties":{
              "id":{"type":"string","pattern":"^ORD-[0-9]{8}-[A-Z0-9]{4}$"},"placed":{"type":"string","format":"date-time"},"status":{"enum":["new","paid","packed","shipped","delivered","returned"]},
              "customer":{"type":"object","required":["id","name","addresses"],"additionalProperties":false,"properties":{"id":{"type":"integer","minimum":1},"name":{"type":"string","maxLength":100},"email":{"type":"string","format":"email"},"addresses":{"type":"array","items":{"type":"object","required":["street","city","zip","country"],"additionalProperties":false,"properties":{"street":{"type":"string"},"city":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9A-Z -]{3,10}$"},"country":{"type":"string","pattern":"^[A-Z]{2}$"}}}}}},
              "items":{"type":"array","minItems":1,"items":{"type":"object","required":["sku","quantity","unit_price"],"additionalProperties":false,"properties":{"sku":{"type":"string","pattern":"^[A-Z0-9]{8}$"},"quantity":{"type":"integer","minimum":1,"maximum":999},"unit_price":{"type":"number","exclusiveMinimum":0},"discount":{"type":"number","minimum":0,"maximum":1}}}},
              "total":{"type":"number","minimum":0},"notes":{"type":["string","null"],"maxLength":1000}}}
            """),
        ("weather", """
            {"type":"object","required":["location","current","forecast"],"additionalProperties":false,"properties":{
              "location":{"type":"object","required":["name","latitude","longitude"],"additionalProperties":false,"properties":{"name":{"type":"string"},"latitude":{"type":"number","minimum":-90,"maximum":90},"longitude":{"type":"number","minimum":-180,"maximum":180},"timezone":{"type":"string"}}},
              "current":{"$ref":"#/$defs/state"},"forecast":{"type":"array","minItems":1,"maxItems":14,"items":{"type":"object","required":["date","day"],"additionalProperties":false,"properties":{"date":{"type":"string","format":"date"},"day":{"$ref":"#/$defs/state"},"night":{"$ref":"#/$defs/state"},"rain_mm":{"type":"number","minimum":0}}}}},
             "$defs":{"state":{"type":"object","required":["temperature_c","sky"],"additionalProperties":false,"properties":{"temperature_c":{"type":"number","minimum":-90,"maximum":60},"sky":{"enum":["clear","partly cloudy","cloudy","rain","snow","fog","thunderstorm"]},"wind":{"type":"object","required":["speed_kmh","direction"],"additionalProperties":false,"properties":{"speed_kmh":{"type":"number","minimum":0},"direction":{"type":"integer","minimum":0,"maximum":359}}}}}}}
            """),
    ];
}
