{# Each column is below the next one in every row; a missing value is not. #}
{% test in_order(model, columns) %}
select *
from {{ model }}
where false
{% for column in columns[1:] %}
   or ({{ columns[loop.index0] }} <= {{ column }}) is not true
{% endfor %}
{% endtest %}
