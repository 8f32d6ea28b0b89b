"""Short templates, each for a thing that Jinja or Python does in its own way."""

EXPRESSIONS = r"""
{{ none }} {{ true }} {{ false }} {{ undefined_name }}|{{ [none, true, 1.0, 'a'] }}
{{ 1 }} {{ 1.0 }} {{ 1e20 }} {{ 1.5e-7 }} {{ 10**12 }} {{ 2**0.5 }} {{ -3 }} {{ 1_000 }}
{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 1 + 2 * 3 ** 2 }} {{ (1 + 2) * 3 }} {{ 2 - 3 - 4 }} {{ 'a' ~ 1 + 2 ~ 'b' }}
{{ 1 / 0 }}
{{ 1 + 'a' }}
{{ 'a' + 1 }}
{{ 'a' + none }}
{{ 'ab' * 3 }} {{ 3 * 'ab' }} {{ 'ab' * -1 }}|{{ [1, 2] * 2 }}
{{ [1] + [2, 'x'] }} {{ 'a' ~ none ~ 1.0 ~ true ~ [1] }}
{{ true + 1 }} {{ true == 1 }} {{ 1 == 1.0 }} {{ '1' == 1 }} {{ none == false }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }}
{{ 'a' < 1 }}
{{ none < 1 }}
{{ 'a' in 'abc' }} {{ 'd' in 'abc' }} {{ 1 in [1, 2] }} {{ 'a' in {'a': 1} }} {{ 'x' not in ['y'] }}
{{ 1 in 'abc' }}
{{ 'a' in none }}
{{ 'a' in undefined_name }}
{{ not true }} {{ not '' }} {{ not 'a' }} {{ not [] }} {{ not {} }} {{ not 0.0 }}
{{ 0 or 'x' }} {{ '' or none or 5 }} {{ 1 and 2 }} {{ 0 and 2 }} {{ none and undefined_name.x }}
{{ 'yes' if 1 else 'no' }} {{ 'yes' if 0 else 'no' }} [{{ 'yes' if 0 }}]
{{ 'a' if false else 'b' if false else 'c' }}
{{ undefined_name.attribute }}
{{ undefined_name['x'] }}
{{ undefined_name() }}
{{ undefined_name + 1 }}
{{ undefined_name | length }} {{ undefined_name | list }} [{{ undefined_name | trim }}] [{{ undefined_name | upper }}]
{{ messages[0].nothing }}|{{ messages[0].nothing is defined }}|{{ messages[99] }}|{{ messages[99] is defined }}
{{ messages[0].nothing.more }}
{{ messages[0]['role'] }} {{ messages[0].role }} {{ messages[-1]['content'] }} {{ messages[1:3]|length }}
{{ messages[0].get('role') }} {{ messages[0].get('x') }} {{ messages[0].get('x', 'default') }}
{{ messages | length }} {{ messages | map(attribute='role') | join(',') }} {{ messages[-1] == messages[5] }}
{{ messages[0].items() | list }} {{ messages[0].keys() | list }} {{ messages[0].values() | list }}
{{ none.x }}|{{ none['x'] }}|{{ (1).nothing is defined }}
{{ 'abc'[0] }} {{ 'abc'[-1] }} {{ 'abc'[5] }}|{{ 'abc'[1:] }} {{ 'abc'[::-1] }} {{ 'abcdef'[1:5:2] }} {{ 'é漢🙂'[1] }}
{{ [1, 2, 3][1] }} {{ [1, 2, 3][-1] }} {{ [1, 2, 3][::-1] }} {{ [1, 2, 3][:2] }} {{ [1, 2, 3][9:] }} {{ [1,2,3,4,5][-3:-1] }}
{{ {'a': 1, 'b': [1, 2]} }} {{ {'a': 1}.a }} {{ {'a': 1}['a'] }} {{ {1: 'x'}[1] }} {{ {} }}
{{ {'a': 1, 'a': 2} }} {{ {'x': {'y': none}} }}
{{ "it's" }} {{ ["it's", 'say "x"', 'both \' "', 'back\\slash', 'new\nline', 'tab\t', 'é漢🙂'] }}
{{ ['\x00\x1f\x7f', 'a'] }}
{{ 'a\nb' }} {{ 'a\\nb' }} {{ 'a\tb' }} {{ "a\"b" }} {{ 'a\'b' }}
{{ 'a' 'b' }}
{{ 'Hello World' | lower }} {{ 'Hello World' | upper }} {{ 'hello wORLD' | capitalize }} {{ "hello wORLD it's a-b (c)" | title }}
{{ '  x ' | trim }}| {{ 'xxaxx' | trim('x') }} {{ '  x '.strip() }}| {{ 'xxaxx'.strip('x') }} {{ 'abcab'.lstrip('ab') }} {{ 'abcab'.rstrip('ab') }}
{{ 'a b  c'.split() }} {{ 'a,b,,c'.split(',') }} {{ 'a,b,c'.split(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a b c'.split(None, 1) }}
{{ 'a,b,c'.rsplit(',', 1) }} {{ ' a b  c '.rsplit(None, 1) }} {{ 'a</t>b</t>c'.split('</t>')[-1] }} {{ 'abc'.partition('b') | list }}
{{ 'abc'.split('') }}
{{ 'a\nb\r\nc\n'.splitlines() }} {{ 'a\n'.splitlines(true) }} {{ ''.splitlines() }} {{ 'a\x0bb\x85c'.splitlines() }}
{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith('bc') }} {{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.startswith('') }}
{{ 'aXbXc'.replace('X', '-') }} {{ 'aXbXc'.replace('X', '-', 1) }} {{ 'abc'.replace('', '-') }} {{ 'aXb' | replace('X', '') }} {{ 'aaa' | replace('a', 'b', 2) }}
{{ 'banana'.find('an') }} {{ 'banana'.rfind('an') }} {{ 'banana'.find('x') }} {{ 'banana'.count('an') }} {{ 'aaa'.count('aa') }} {{ 'abc'.count('') }} {{ 'é漢x'.find('x') }}
{{ 'banana'.index('n') }} {{ [1, 2, 1].index(2) }} {{ [1, 2, 1].count(1) }}
{{ 'banana'.index('x') }}
{{ 'hello world'.title() }} {{ "they're BILL's".title() }} {{ 'hELLO'.capitalize() }} {{ 'ß'.upper() }} {{ 'İ'.lower() | length }}
{{ '12'.isdigit() }} {{ '1a'.isdigit() }} {{ ''.isdigit() }} {{ 'ab'.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \t'.isspace() }} {{ 'Ab'.isupper() }} {{ 'AB1'.isupper() }} {{ '1'.islower() }}
{{ '-'.join(['a', 'b']) }} {{ ''.join([]) }}|{{ ', '.join(messages | map(attribute='role')) }}
{{ '-'.join([1, 2]) }}
{{ 'abc'.removeprefix('a') }} {{ 'abc'.removesuffix('c') }} {{ 'abc'.removeprefix('x') }}
{{ '{} and {}'.format('a', 1) }} {{ '{0}{1}{0}'.format('a', 'b') }} {{ '{x} {{y}}'.format(x=2) }} {{ '{}'.format(none) }}
{{ 'abc'.nothing() }}
{{ [].append(1) }}
{{ {}.update({'a': 1}) }}
{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensitive=true) }} {{ [3, 1, 2] | sort(reverse=true) }} {{ [1, 2, 3] | reverse | list }}
{{ [1, 'a'] | sort }}
{{ messages | sort(attribute='role') | map(attribute='role') | list }}
{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ ['b', 'A'] | min }} {{ [] | max }}| {{ [1, 2, 3] | sum }} {{ [[1], [2]] | sum(start=[]) }} {{ [1.5, 2] | sum }}
{{ [1, 2, 2, 1, 3] | unique | list }} {{ ['a', 'A', 'b'] | unique | list }} {{ ['a', 'A'] | unique(case_sensitive=true) | list }}
{{ [1, 2, 3, 4] | select('odd') | list }} {{ [1, 2, 3, 4] | reject('odd') | list }} {{ [0, 1, '', 'a', none] | select | list }} {{ [1, 5] | select('gt', 3) | list }}
{{ messages | selectattr('role', 'equalto', 'user') | list | length }} {{ messages | rejectattr('tool_calls') | list | length }} {{ messages | selectattr('tool_calls', 'defined') | list | length }} {{ messages | selectattr('role', 'in', ['tool', 'user']) | list | length }}
{{ ['a', 'b'] | map('upper') | list }} {{ ['a ', ' b'] | map('trim') | join('+') }} {{ [[1, 2], [3]] | map('length') | list }} {{ ['1', '2'] | map('int') | sum }}
{{ [{'a': {'b': 1}}, {'a': {'b': 2}}] | map(attribute='a.b') | list }} {{ [{'a': 1}, {}] | map(attribute='a', default='-') | list }} {{ [[1, 2], [3, 4]] | map(attribute=1) | list }}
{{ [1, 2, 3] | first }} {{ [1, 2, 3] | last }} {{ 'abc' | first }} {{ 'abc' | last }} [{{ [] | first }}] {{ [1, 2] | length }} {{ 'é漢' | length }} {{ {'a': 1} | length }} {{ {'a': 1} | count }}
{{ 5 | length }}
{{ none | length }}
{{ 'abc' | list }} {{ {'a': 1, 'b': 2} | list }} {{ {'b': 1, 'a': 2} | dictsort }} {{ {'b': 1, 'a': 2} | dictsort(by='value') }} {{ {'a': 1} | items | list }}
{{ x | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ none | default('d') }} {{ none | d('d', true) }} {{ 0 | default(1, boolean=true) }} [{{ x | default }}]
{{ ['a', 1, none, 2.0] | join(', ') }} {{ [] | join }}|{{ [1, 2] | join }} {{ 'abc' | join('-') }} {{ messages[:2] | join('/', attribute='role') }}
{{ '5' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ 5.9 | int }} {{ '5.9' | int }} {{ ' 5 ' | int }} {{ '1.5' | float }} {{ 'x' | float }} {{ 3 | float }} {{ true | int }} {{ none | int }}
{{ -5 | abs }} {{ 2.5 | round }} {{ 3.14159 | round(2) }} {{ 2.5 | round(method='ceil') }} {{ 2.5 | round(0, 'floor') }} {{ 7 | round }}
{{ 5 | string ~ 'x' }} {{ none | string }} {{ 'a<b>&"\'' | escape }} {{ '<' | e }} {{ '<b>' | safe }}
{{ 'a\nb\n\nc' | indent }} {{ 'a\nb' | indent(2) }} {{ 'a\n\nb' | indent(2, true) }} {{ 'a\n\nb' | indent(2, false, true) }} {{ 'a\nb\n' | indent(width='> ') }}|
{{ 'one two  three' | wordcount }} {{ "it's a_b c-d" | wordcount }} {{ 'abc' | reverse }}
{{ 5 | nofilter }}
{{ 5 is notest }}
{{ 1 | tojson }} {{ 1.0 | tojson }} {{ 1e30 | tojson }} {{ none | tojson }} {{ true | tojson }} {{ 'a"b\\c\n\t\x01é漢🙂<>&\'/' | tojson }} {{ [] | tojson }} {{ {} | tojson }} {{ [1, [2, {'a': none}]] | tojson }}
{{ {'b': 1, 'a': [1, 2], 'c': {}} | tojson }} {{ {'b': 1, 'a': 2} | tojson(sort_keys=true) }} {{ {1: 'x', 1.5: 'y', true: 'z', none: 'n'} | tojson }}
{{ {'b': [1, {'c': []}], 'a': {}} | tojson(indent=2) }} {{ [1] | tojson(indent=0) }} {{ {'a': 1} | tojson(indent='\t') }}
{{ 'é漢🙂\x7f' | tojson(ensure_ascii=true) }} {{ [1, {'a': 2}] | tojson(separators=(',', ':')) }} {{ {'a': [1]} | tojson(none, 1, (' ,', '= ')) }}
{{ tools | tojson }}
{{ tools | tojson(indent=4) }}
{{ documents | tojson(ensure_ascii=true, sort_keys=true) }}
{{ documents }}
{{ undefined_name | tojson }}
{{ namespace | tojson }}
{{ 1 is number }} {{ 1.5 is float }} {{ 1 is integer }} {{ true is integer }} {{ true is number }} {{ true is boolean }} {{ 'a' is string }} {{ none is none }} {{ 1 is none }}
{{ [] is sequence }} {{ 'a' is sequence }} {{ {} is sequence }} {{ {} is mapping }} {{ [] is mapping }} {{ [] is iterable }} {{ 'a' is iterable }} {{ 5 is iterable }} {{ {} is iterable }} {{ none is iterable }}
{{ true is true }} {{ 1 is true }} {{ false is false }} {{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 'aBC' is upper }}
{{ 1 is eq 1 }} {{ 1 is ne 2 }} {{ 1 is lt 2 }} {{ 2 is ge 2 }} {{ 1 is in [1, 2] }} {{ none is sameas none }} {{ 'x' is not defined }} {{ x is undefined }} {{ x is not undefined }} {{ range is callable }}
{{ not x is defined }} {{ not messages is none }} {{ messages is defined and messages is not string and messages is iterable }} {{ x is defined or 'fallback' }}
{{ range(3) | list }} {{ range(1, 4) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }} {{ range(3, 1) | list }}
{{ range(1000000) | list | length }}
{{ dict(a=1, b='x') }} {{ dict({'a': 1}, b=2) }} {{ dict([('a', 1)]) }}
{% set x = 5 %}{{ x }}{% set x = x + 1 %} {{ x }}{% if true %}{% set x = 9 %}{% endif %} {{ x }}
{% set x = 1 %}{% for i in [1, 2] %}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}
{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% set (c, d) = [3, 4] %}{{ c }}{{ d }}
{% set a, b = [1] %}
{% set ns = namespace(x=1) %}{% for i in [1, 2, 3] %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }} {{ ns.y }}| {{ ns['x'] }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{% set ns.c = [ns.a] %}{{ ns.c }}
{% set ns = namespace() %}{% set ns._x = 1 %}
{% set d = {} %}{% set d.x = 1 %}
{% for i in [1, 2, 3] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }} {% endfor %}
{% for i in [1, 2, 3] %}{{ loop.previtem }}<{{ i }}>{{ loop.nextitem }} {{ loop.previtem is defined }} {{ loop.cycle('a', 'b') }} {% endfor %}
{% for i in [] %}x{% else %}empty{% endfor %} {% for i in undefined_name %}x{% else %}none{% endfor %}
{% for c in 'aé🙂' %}[{{ c }}]{% endfor %} {% for k in {'a': 1, 'b': 2} %}{{ k }}{% endfor %} {% for k, v in {'a': 1}.items() %}{{ k }}={{ v }}{% endfor %}
{% for i in none %}x{% endfor %}
{% for i in 5 %}x{% endfor %}
{% for i in range(6) if i % 2 %}{{ i }}:{{ loop.index }}/{{ loop.length }} {% endfor %} {% for m in messages if m.role == 'tool' %}{{ loop.first }}{{ m.content }}{% endfor %}
{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}
{% for i in [1, 2] %}{% for j in ['a', 'b'] %}{{ i }}{{ j }}{{ loop.index }} {% if j == 'a' and i == 2 %}{% break %}{% endif %}{% endfor %}{{ loop.index }};{% endfor %}
{% for n in [{'v': 1, 'c': [{'v': 2, 'c': []}, {'v': 3, 'c': [{'v': 4, 'c': []}]}]}] recursive %}{{ loop.depth }}:{{ n.v }}({{ loop(n.c) }}){% endfor %}
{% for i in [1] %}{{ loop }}{% endfor %}
{{ loop }}
{% if 0 %}a{% elif '' %}b{% elif [0] %}c{% else %}d{% endif %} {% if x %}e{% endif %} {% if not x %}f{% endif %}
{% macro f(a, b='B', c=none) %}<{{ a }}{{ b }}{{ c }}>{% endmacro %}{{ f(1) }}{{ f(1, 2, 3) }}{{ f(b=5, a=4) }}{{ f() }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}{{ f(3) | length }}
{% set x = 'outer' %}{% macro f() %}{{ x }}{% set x = 'inner' %}{{ x }}{% endmacro %}{{ f() }}{{ x }}{% set x = 'later' %}{{ f() }}
{% macro f(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, 3, x=4) }}
{% macro f() %}[{{ caller() }}]{% endmacro %}{% call f() %}inside {{ messages | length }}{% endcall %}
{% macro f(items) %}{% for i in items %}{{ caller(i) }}{% endfor %}{% endmacro %}{% call(x) f([1, 2]) %}<{{ x }}>{% endcall %}
{% set x %}a{{ 1 + 1 }}b{% endset %}{{ x }}{{ x | length }} {% set y | upper | trim %} abc {% endset %}[{{ y }}]
{% filter upper %}abc{{ 'd' }}{% endfilter %} {% filter replace('a', 'b') | upper %}aaa{% endfilter %}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }}| {% set a = 5 %}{% with a = a + 1, b = a %}{{ a }}{{ b }}{% endwith %}
{% raw %}{{ x }} {% if %}{% endraw %} {# a comment {{ x }} #}after
{% generation %}inside{% endgeneration %} {%- generation %} x {% endgeneration -%} y
{{ raise_exception('stop here') }}
{% if false %}{{ raise_exception('never') }}{% endif %}fine
{{ 'a' if messages[0]['role'] == 'system' and messages | length > 3 else 'b' }} {{ (messages | last).content }} {{ (messages | first)['role'] }}
{{ messages[1]['content'][:3] + '…' }} {{ ('x' + 'y') | upper }} {{ 'x' + 'y' | upper }} {{ -1 | abs }} {{ 'a' ~ 'b' | upper }} {{ 2 * 3 | string }}
{{ [1, 2, 3] | map('string') | map('upper') | list | tojson }} {{ {'a': [1, 2]}['a'] | last }} {{ {'k': 'v'}.items() | map('first') | list }} {{ [('a', 1), ('b', 2)] | map('last') | list }}
{{ true and 'x' in 'xyz' and not false }} {{ 1 if 2 > 1 > 0 }} {{ [] == [] }} {{ {'a': 1} == {'a': 1.0} }} {{ 'a' != 'b' }} {{ [1] != [1] }} {{ messages[3] == messages[4] }}
{{ messages[2].tool_calls[0].function.arguments }} {{ messages[2].tool_calls[0]['function']['arguments']['city'] }} {{ messages[2].tool_calls | map(attribute='function.name') | list }} {{ 'tool_calls' in messages[2] }} {{ messages[2].tool_calls is not none }}
{%- set x = 1 -%}   trimmed   {%- if x -%}   yes   {%- endif %}   kept
{%+ if true %} plus{% endif +%} end
{{ bos_token }}{{ eos_token + 'x' }}{{ unk_token }} {{ pad_token }}| {{ bos_token is defined }} {{ pad_token is defined }}
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%dT%H:%M:%S') }} {{ strftime_now('%A, %B %-d, %Y, %I:%M %p %%') }} {{ strftime_now('%j %y %e %a %-m %-H %-M') }}
{{ 1 if true }} {{ (1, 2) | list }} {{ (1, 2)[0] }} {{ (1,) | length }} {{ () | length }}
{{ "%s" | length }} {{ '{%' }} {{ '}}' }} {{ '{{' ~ '}}' }} {{ {'a': {'b': {}}} }}
{{ 0.1 + 0.2 }} {{ 1.0 * 3 }} {{ 1e16 }} {{ 123456789.123 }} {{ 1e-5 }} {{ 100000.0 }} {{ 3.0 // 1 }} {{ 2 ** -1 }} {{ 2 ** 10 }} {{ 5 // 2 * 1.0 }}
{{ ' a b  c '.split(none, 1) }} {{ ' a b  c '.split() }} {{ ' a b  c '.rsplit() }} {{ 2.675 | round(2) }} {{ 1234.5 | round(-2) }} {{ 0.5 | round }} {{ 1.5 | round }}
{{ 'x'.__class__ }}|{{ messages.__len__ }}
{{ messages[0].content.upper() }} {{ messages[0]['content'].split(' ')[0] }} {{ messages[0].content is string }} {{ messages[0]['content'] | length }}
{% for message in messages %}{% if loop.index0 == 0 %}{% set content = 'first' %}{% else %}{% set content = message.content %}{% endif %}{{ content }};{% endfor %}{{ content is defined }}
{% for tool in tools %}{% set t = tool.function if tool.function is defined else tool %}{{ t.name }}{% for k, v in t.parameters.properties.items() %} {{ k }}:{{ v.type }}{{ '*' if k in t.parameters.required }}{% endfor %}{% endfor %}
{% for k, v in messages[2] | items %}{{ k }}{{ ',' if not loop.last }}{% endfor %} {% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}{% for a, (b, c) in [[1, [2, 3]]] %}{{ a + b + c }}{% endfor %}
{% if messages[0].role == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0].content %}{% else %}{% set rest = messages %}{% endif %}{{ system }}{{ rest | length }}
{% unknown_tag %}
{{ unclosed
{% if x %}
{{ 1 + }}
{% endfor %}
{{ 'a' | }}
""".strip("\n").split("\n")

# With line breaks: what trim_blocks, lstrip_blocks and the signs in tags do to white space.
EXPRESSIONS += [
    "a\n{% if true %}\nb\n{% endif %}\nc\n",
    "a\n   {% if true %}   \n  b\n  {% endif %}\nc",
    "a\n  {{ 'x' }}  \n  b",
    "  {%- if true %}\n\n x {% endif -%}  \n\n y",
    "a {#- c -#} b\n{# c #}\nd {# c #}\ne",
    "   {%+ if true %} a {% endif %}\n",
    "a\n\t {% set x = 1 %}\t\nb{% set y = 2 %}\n\nc",
    "a  {{- 'b' -}}  c\n\n{{ 'd' }}\n\n",
    "\n\n{% for i in [1, 2] %}\n{{ i }}\n{% endfor %}\n\n",
    "x\r\n{% if true %}\r\ny\r\n{% endif %}\r\nz\r\n",
    "{% if true %}a{% endif %}\n",
    "{{ 'a\nb' }}\n",
    "  {% raw %}\n  {{ x }}\n  {% endraw %}\n  end",
    "{% macro f(x) %}\n  {{ x }}\n{% endmacro %}\n{{ f(1) }}|{{ f(2) | trim }}",
    "{%- for m in messages -%}\n  {{ m.role }}\n  {%- if not loop.last %} -> {% endif -%}\n{%- endfor %}",
    "{% set multi = [\n  'a',\n  'b',\n] %}\n{{ multi\n  | join(\n ', ') }}",
    "a\n  {#- c #}\n  b\n  {# d -#}\n  e",
    "{% generation %}\n  a\n{% endgeneration %}\nb\n  {% generation %}c{% endgeneration %}",
    "{% set x = 'a' %}{% generation %}{% set x = 'b' %}{{ x }}{% endgeneration %}{{ x }}",
]
