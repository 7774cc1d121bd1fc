{# An empty relation sums to nothing, which is not one either. #}
{% test sums_to_one(model, column, tolerance=1e-6) %}
select sum({{ column }})
from {{ model }}
having abs(coalesce(sum({{ column }}), 0) - 1) > {{ tolerance }}
{% endtest %}
