# SPDX-License-Identifier: Apache-2.0
"""Ordinary views of Django; nothing in them knows of ebb."""
import os
import time

from django.http import HttpResponse, JsonResponse


def hello(request):
    return HttpResponse("hello from django\n", content_type="text/plain")


def sleep(request):
    """As many at once as gunicorn has threads."""
    ms = int(request.GET.get("ms", "0"))
    time.sleep(ms / 1000)
    return JsonResponse({"slept_ms": ms})


def echo(request):
    return HttpResponse(request.body, content_type=request.content_type)


def limits(request):
    """The limits that Python sees."""
    return JsonResponse({"cpus": os.cpu_count()})
