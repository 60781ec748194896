using System.Net;
using System.Text.Json;
using HelixFlow.Schemas;
using HelixFlow.Schemas.Inference.V1;

namespace HelixFlow.Gateway.Tests;

/// <summary>What an answer must look like, as OpenAI's clients ask for it and as vLLM's do.</summary>
public sealed class ConstraintTests
{
    private const string Chat = "/v1/chat/completions";
    private const string Completions = "/v1/completions";

    public static TheoryData<string, GenerateRequest.ConstraintOneofCase, string> Good => new()
    {
        { """ "response_format":{"type":"text"} """, GenerateRequest.ConstraintOneofCase.None, "" },
        { """ "response_format":null """, GenerateRequest.ConstraintOneofCase.None, "" },
        { """ "response_format":{"type":"json_object"} """, GenerateRequest.ConstraintOneofCase.JsonObject, "True" },
        { """ "response_format":{"type":"json_schema","json_schema":{"name":"a-B_9","description":"d","strict":true,"schema":{"type":"object"}}} """, GenerateRequest.ConstraintOneofCase.JsonSchema, """{"type":"object"}""" },
        { """ "response_format":{"type":"json_schema","json_schema":{"name":"n"}} """, GenerateRequest.ConstraintOneofCase.JsonObject, "True" },
        { """ "guided_json":{"type":"array"} """, GenerateRequest.ConstraintOneofCase.JsonSchema, """{"type":"array"}""" },
        { """ "guided_json":"{\"type\":\"array\"}" """, GenerateRequest.ConstraintOneofCase.JsonSchema, """{"type":"array"}""" },
        { """ "guided_regex":"a+" """, GenerateRequest.ConstraintOneofCase.Regex, "a+" },
        { """ "guided_choice":["yes","no"],"response_format":{"type":"text"} """, GenerateRequest.ConstraintOneofCase.Choice, """{ "texts": [ "yes", "no" ] }""" },
        { """ "guided_grammar":"root ::= \"a\"" """, GenerateRequest.ConstraintOneofCase.Grammar, "root ::= \"a\"" },
        { """ "guided_json_object":false,"guided_regex":null,"structured_outputs":{"json_object":true} """, GenerateRequest.ConstraintOneofCase.JsonObject, "True" },
        { """ "structured_outputs":{"json":{"enum":[1]}} """, GenerateRequest.ConstraintOneofCase.JsonSchema, """{"enum":[1]}""" },
        { """ "structured_outputs":{"regex":"b","disable_fallback":true,"disable_any_whitespace":false} """, GenerateRequest.ConstraintOneofCase.Regex, "b" },
        { """ "structured_outputs":{"choice":["x"]} """, GenerateRequest.ConstraintOneofCase.Choice, """{ "texts": [ "x" ] }""" },
        { """ "structured_outputs":{"grammar":"start: \"a\""} """, GenerateRequest.ConstraintOneofCase.Grammar, "start: \"a\"" },
    };

    [Theory]
    [MemberData(nameof(Good))]
    public async Task A_constraint_reaches_the_inference_service(string field, GenerateRequest.ConstraintOneofCase kind, string text)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string path, string body) in Bodies(field))
        {
            using HttpResponseMessage response = await server.PostAsync(path, body);

            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
            GenerateRequest asked = server.Pool.Request!;
            Assert.Equal(kind, asked.ConstraintCase);
            object? value = kind switch
            {
                GenerateRequest.ConstraintOneofCase.None => "",
                GenerateRequest.ConstraintOneofCase.JsonSchema => asked.JsonSchema,
                GenerateRequest.ConstraintOneofCase.JsonObject => asked.JsonObject,
                GenerateRequest.ConstraintOneofCase.Regex => asked.Regex,
                GenerateRequest.ConstraintOneofCase.Grammar => asked.Grammar,
                _ => asked.Choice,
            };
            Assert.Equal(text, value.ToString());
        }
    }

    [Fact]
    public async Task Json_without_white_space_is_asked_for()
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string path, string body) in Bodies(""" "structured_outputs":{"json":{"type":"array"},"disable_any_whitespace":true} """))
        {
            using HttpResponseMessage response = await server.PostAsync(path, body);

            Assert.Equal((HttpStatusCode.OK, true), (response.StatusCode, server.Pool.Request!.CompactJson));
        }
    }

    [Theory]
    [InlineData(""" "response_format":"json" """, "response_format", "invalid_type")]
    [InlineData(""" "response_format":{} """, "response_format.type", "missing_required_parameter")]
    [InlineData(""" "response_format":{"type":5} """, "response_format.type", "invalid_type")]
    [InlineData(""" "response_format":{"type":"xml"} """, "response_format.type", "invalid_value")]
    [InlineData(""" "response_format":{"type":"json_schema"} """, "response_format.json_schema", "missing_required_parameter")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":[]} """, "response_format.json_schema", "invalid_type")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"schema":{}}} """, "response_format.json_schema.name", "missing_required_parameter")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"","schema":{}}} """, "response_format.json_schema.name", "empty_string")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}} """, "response_format.json_schema.name", "invalid_value")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","schema":{}}} """, "response_format.json_schema.name", "string_above_max_length")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"n","schema":true}} """, "response_format.json_schema.schema", "invalid_type")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"n","strict":"yes","schema":{}}} """, "response_format.json_schema.strict", "invalid_type")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"n","description":1,"schema":{}}} """, "response_format.json_schema.description", "invalid_type")]
    [InlineData(""" "guided_json":5 """, "guided_json", "invalid_type")]
    [InlineData(""" "guided_regex":["a"] """, "guided_regex", "invalid_type")]
    [InlineData(""" "guided_grammar":{} """, "guided_grammar", "invalid_type")]
    [InlineData(""" "guided_choice":"yes" """, "guided_choice", "invalid_type")]
    [InlineData(""" "guided_choice":[] """, "guided_choice", "empty_array")]
    [InlineData(""" "guided_choice":["a",1] """, "guided_choice[1]", "invalid_type")]
    [InlineData(""" "guided_json_object":"true" """, "guided_json_object", "invalid_type")]
    [InlineData(""" "guided_whitespace_pattern":" " """, "guided_whitespace_pattern", "unsupported_value")]
    [InlineData(""" "structured_outputs":[] """, "structured_outputs", "invalid_type")]
    [InlineData(""" "structured_outputs":{"choice":[null]} """, "structured_outputs.choice[0]", "invalid_type")]
    [InlineData(""" "structured_outputs":{"structural_tag":"{}"} """, "structured_outputs.structural_tag", "unsupported_value")]
    [InlineData(""" "structured_outputs":{"json":{},"disable_additional_properties":true} """, "structured_outputs.disable_additional_properties", "unsupported_value")]
    [InlineData(""" "structured_outputs":{"json":{},"disable_any_whitespace":1} """, "structured_outputs.disable_any_whitespace", "invalid_type")]
    [InlineData(""" "guided_regex":"a","guided_json":{} """, "guided_regex", "invalid_value")]
    [InlineData(""" "response_format":{"type":"json_object"},"structured_outputs":{"regex":"a"} """, "structured_outputs.regex", "invalid_value")]
    public async Task A_wrong_constraint_is_a_400_that_names_the_field(string field, string param, string code)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        foreach ((string path, string body) in Bodies(field))
        {
            using HttpResponseMessage response = await server.PostAsync(path, body);

            JsonElement error = await ErrorAsync(response);
            Assert.Equal((HttpStatusCode.BadRequest, param, code), (response.StatusCode, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
            Assert.Null(server.Pool.Request);
        }
    }

    [Theory]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"person","schema":{}}} """, "response_format", "Invalid schema for response_format 'person': the reason.")]
    [InlineData(""" "guided_regex":"a" """, "guided_regex", "Invalid 'guided_regex': the reason.")]
    [InlineData(""" "structured_outputs":{"json":{}} """, "structured_outputs.json", "Invalid 'structured_outputs.json': the reason.")]
    public async Task What_the_model_cannot_guarantee_is_told_with_the_name_that_the_request_gave_it(string field, string param, string message)
    {
        await using GatewayServer server = await GatewayServer.StartAsync();
        server.Pool.Script = (_, _) => throw new InferenceException(InferenceError.InvalidArgument, "the reason.", "constraint");
        foreach ((string path, string body) in Bodies(field))
        {
            using HttpResponseMessage response = await server.PostAsync(path, body);

            JsonElement error = await ErrorAsync(response);
            Assert.Equal(
                (HttpStatusCode.BadRequest, param, message, "invalid_request_error"),
                (response.StatusCode, error.GetProperty("param").GetString(), error.GetProperty("message").GetString(), error.GetProperty("type").GetString()));
        }
    }

    private static (string Path, string Body)[] Bodies(string field) =>
    [
        (Chat, $$"""{"model":"m","messages":[{"role":"user","content":"x"}],{{field}}}"""),
        (Chat, $$"""{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,{{field}}}"""),
        (Completions, $$"""{"model":"m","prompt":"x",{{field}}}"""),
    ];

    private static async Task<JsonElement> ErrorAsync(HttpResponseMessage response)
    {
        using JsonDocument body = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return body.RootElement.GetProperty("error").Clone();
    }
}
