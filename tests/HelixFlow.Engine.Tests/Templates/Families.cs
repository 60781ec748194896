using System.Text.Json.Nodes;

namespace HelixFlow.Engine.Tests.Templates;

/// <summary>Chat templates with the structure and the tokens of the supported families, in our own wording, and conversations for them.</summary>
internal static class Families
{
    public static IReadOnlyDictionary<string, string> Templates { get; } = new Dictionary<string, string>
    {
        ["chatml"] = """
            {%- for message in messages %}
                {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
            {%- endif %}
            """,
        ["llama2"] = """
            {% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set rest = messages %}{% set system = false %}{% endif %}
            {% for message in rest %}
            {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate between user and assistant') }}{% endif %}
            {% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}
            {% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}
            {% endfor %}
            """,
        ["llama3"] = """
            {{- bos_token }}
            {%- if not tools is defined %}{%- set tools = none %}{%- endif %}
            {%- if messages[0]['role'] == 'system' %}
                {%- set system_message = messages[0]['content']|trim %}
                {%- set messages = messages[1:] %}
            {%- else %}
                {%- set system_message = "" %}
            {%- endif %}
            {{- "<|start_header_id|>system<|end_header_id|>\n\n" }}
            {%- if tools is not none %}{{- "Environment: ipython\n" }}{%- endif %}
            {{- "Today: 26 Jul 2024\n\n" }}
            {%- if tools is not none %}
                {%- for t in tools %}
                    {{- t | tojson(indent=4) }}
                    {{- "\n\n" }}
                {%- endfor %}
            {%- endif %}
            {{- system_message }}
            {{- "<|eot_id|>" }}
            {%- for message in messages %}
                {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
                    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' }}
                {%- elif 'tool_calls' in message %}
                    {%- if not message.tool_calls|length == 1 %}{{- raise_exception("One tool call at a time") }}{%- endif %}
                    {%- set tool_call = message.tool_calls[0].function %}
                    {{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}
                    {{- '{"name": "' + tool_call.name + '", "parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}" }}
                    {{- "<|eot_id|>" }}
                {%- elif message.role == "tool" or message.role == "ipython" %}
                    {{- "<|start_header_id|>ipython<|end_header_id|>\n\n" }}
                    {%- if message.content is mapping or message.content is iterable and message.content is not string %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}
                    {{- "<|eot_id|>" }}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{%- endif %}
            """,
        ["mistral"] = """
            {%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
            {%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
            {{- bos_token }}
            {%- for message in loop_messages %}
                {%- if message["role"] == "user" %}
                    {%- if tools is not none and tools is defined and (message == user_messages[-1]) %}
                        {{- "[AVAILABLE_TOOLS] [" }}
                        {%- for tool in tools %}
                            {%- set tool = tool.function %}
                            {{- '{"type": "function", "function": {' }}
                            {%- for key, val in tool.items() if key != "return" %}
                                {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                                {%- if not loop.last %}{{- ", " }}{%- endif %}
                            {%- endfor %}
                            {{- "}}" }}
                            {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
                        {%- endfor %}
                        {{- "[/AVAILABLE_TOOLS]" }}
                    {%- endif %}
                    {%- if loop.last and system_message is defined %}{{- "[INST] " + system_message + "\n\n" + message["content"] + "[/INST]" }}{%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
                {%- elif message.tool_calls is defined and message.tool_calls is not none %}
                    {{- "[TOOL_CALLS] [" }}
                    {%- for tool_call in message.tool_calls %}
                        {%- set out = tool_call.function|tojson %}
                        {{- out[:-1] }}{{- ', "id": "' + tool_call.id + '"}' }}
                        {%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" + eos_token }}{%- endif %}
                    {%- endfor %}
                {%- elif message["role"] == "assistant" %}{{- " " + message["content"]|trim + eos_token}}
                {%- elif message["role"] == "tool" %}{{- '[TOOL_RESULTS] {"content": ' + message.content|string + ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
                {%- else %}{{- raise_exception("Only user and assistant roles are supported") }}
                {%- endif %}
            {%- endfor %}
            """,
        ["qwen3"] = """
            {%- if tools %}
                {{- '<|im_start|>system\n' }}
                {%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %}
                {{- "# Tools\n\n<tools>" }}
                {%- for tool in tools %}{{- "\n" }}{{- tool | tojson }}{%- endfor %}
                {{- "\n</tools><|im_end|>\n" }}
            {%- else %}
                {%- if messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %}
            {%- endif %}
            {%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
            {%- for message in messages[::-1] %}
                {%- set index = (messages|length - 1) - loop.index0 %}
                {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
                    {%- set ns.multi_step_tool = false %}
                    {%- set ns.last_query_index = index %}
                {%- endif %}
            {%- endfor %}
            {%- for message in messages %}
                {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
                {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
                    {{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' + '\n' }}
                {%- elif message.role == "assistant" %}
                    {%- set reasoning_content = '' %}
                    {%- if message.reasoning_content is string %}
                        {%- set reasoning_content = message.reasoning_content %}
                    {%- elif '</think>' in content %}
                        {%- set reasoning_content = content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') %}
                        {%- set content = content.split('</think>')[-1].lstrip('\n') %}
                    {%- endif %}
                    {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning_content) %}
                        {{- '<|im_start|>' + message.role + '\n<think>\n' + reasoning_content.strip('\n') + '\n</think>\n\n' + content.lstrip('\n') }}
                    {%- else %}
                        {{- '<|im_start|>' + message.role + '\n' + content }}
                    {%- endif %}
                    {%- if message.tool_calls %}
                        {%- for tool_call in message.tool_calls %}
                            {%- if (loop.first and content) or (not loop.first) %}{{- '\n' }}{%- endif %}
                            {%- if tool_call.function %}{%- set tool_call = tool_call.function %}{%- endif %}
                            {{- '<tool_call>\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}
                            {%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
                            {{- '}\n</tool_call>' }}
                        {%- endfor %}
                    {%- endif %}
                    {{- '<|im_end|>\n' }}
                {%- elif message.role == "tool" %}
                    {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
                    {{- '\n<tool_response>\n' }}{{- content }}{{- '\n</tool_response>' }}
                    {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\n' }}{%- endif %}
                {%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}
                {{- '<|im_start|>assistant\n' }}
                {%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}
            {%- endif %}
            """,
        ["gemma"] = """
            {{ bos_token }}
            {%- if messages[0]['role'] == 'system' -%}
                {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
                {%- set loop_messages = messages[1:] -%}
            {%- else -%}
                {%- set first_user_prefix = "" -%}
                {%- set loop_messages = messages -%}
            {%- endif -%}
            {%- for message in loop_messages -%}
                {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("Conversation roles must alternate user/assistant") }}{%- endif -%}
                {%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}
                {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
                {%- if message['content'] is string -%}{{ message['content'] | trim }}
                {%- elif message['content'] is iterable -%}
                    {%- for item in message['content'] -%}{%- if item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}
                {%- endif -%}
                {{ '<end_of_turn>\n' }}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}
            """,
        ["phi3"] = """
            {% for message in messages %}{% if message['role'] == 'system' and message['content'] %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}
            """,
        ["macro"] = """
            {% macro show(name, type='any') -%}
              {{ name }}: {{ type }}{{ caller() if caller is defined }}
            {%- endmacro %}
            {% for message in messages if message.content is string %}
              {% call show(message.role, type=message.content | length) %} [{{ message.content | upper }}]{% endcall %}
              {{ loop.cycle('odd', 'even') }} {{ loop.previtem.role | default('none') }}
            {% else %}
              nothing
            {% endfor %}
            {% set joined %}{{ messages | map(attribute='role') | join(', ') }}{% endset %}{{ joined | title }}
            """,
    };

    public static IEnumerable<JsonObject> Conversations()
    {
        const string Tools = """[{"type":"function","function":{"name":"weather","description":"The weather — \"now\" <b>","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer","default":3}},"required":["city"]}}}]""";
        string[] messages =
        [
            """[{"role":"user","content":"Hello"}]""",
            """[{"role":"system","content":"  Be brief. "},{"role":"user","content":" Ünïcode 😀 'quotes' \"and\" \\n\n more "}]""",
            """[{"role":"user","content":"One"},{"role":"assistant","content":"<think>\nhm\n</think>\n\nTwo"},{"role":"user","content":"Three"}]""",
            """[{"role":"system","content":"S"},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"},{"role":"assistant","content":"d","reasoning_content":"why"}]""",
            """[{"role":"user","content":"Weather?"},{"role":"assistant","content":"","tool_calls":[{"id":"call_1","type":"function","function":{"name":"weather","arguments":{"city":"Köln","days":2,"f":1.5,"n":null,"t":true}}}]},{"role":"tool","tool_call_id":"call_1","content":"{\"sun\": 1}"},{"role":"assistant","content":"Sunny"},{"role":"user","content":"Thanks"}]""",
            """[{"role":"assistant","content":"I begin"},{"role":"user","content":"No"}]""",
        ];
        foreach (string conversation in messages)
        {
            foreach (bool tools in (bool[])[false, true])
            {
                foreach (bool prompt in (bool[])[true, false])
                {
                    yield return new JsonObject
                    {
                        ["messages"] = JsonNode.Parse(conversation),
                        ["tools"] = tools ? JsonNode.Parse(Tools) : null,
                        ["add_generation_prompt"] = prompt,
                        ["bos_token"] = "<s>",
                        ["eos_token"] = "</s>",
                    };
                }
            }
        }
    }
}
