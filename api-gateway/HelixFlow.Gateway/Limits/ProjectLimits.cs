using System.Globalization;
using System.Text.Json;
using HelixFlow.Gateway.Errors;
using Microsoft.AspNetCore.Http;

namespace HelixFlow.Gateway.Limits;

/// <summary>The buckets of one project. Thread-safe.</summary>
internal sealed class ProjectLimits
{
    private readonly Lock _lock = new();
    private readonly string _project;
    private readonly TimeProvider _time;
    private readonly TokenBucket? _requests;
    private readonly TokenBucket? _tokens;

    public ProjectLimits(string project, GatewayOptions options, TimeProvider time)
    {
        _project = project;
        _time = time;
        _requests = Bucket(options.RequestsPerMinute);
        _tokens = Bucket(options.TokensPerMinute);
    }

    /// <summary>Counts a request.</summary>
    /// <exception cref="OpenAiException">There have been too many.</exception>
    public void TakeRequest() => Take(_requests, 1, "requests", "RPM");

    /// <summary>Sets tokens aside before it is known how many a request takes.</summary>
    /// <returns>What was set aside; <see cref="Settle"/> is told of it.</returns>
    /// <exception cref="OpenAiException">They are not there now, or are more than a minute's allowance.</exception>
    public double ReserveTokens(double estimate)
    {
        Take(_tokens, estimate, "tokens", "TPM");
        return estimate;
    }

    /// <summary>Replaces what was set aside by what was used.</summary>
    public void Settle(double reserved, double used)
    {
        if (_tokens is not null)
        {
            lock (_lock)
            {
                _tokens.Take(used - reserved, _time.GetTimestamp());
            }
        }
    }

    /// <summary>The headers that tell clients what they may still ask for.</summary>
    public void WriteHeaders(IHeaderDictionary headers)
    {
        lock (_lock)
        {
            Write(headers, _requests, "requests");
            Write(headers, _tokens, "tokens");
        }
    }

    /// <summary>Writes the same as the field of a Realtime event.</summary>
    public void Write(Utf8JsonWriter json)
    {
        lock (_lock)
        {
            json.WriteStartArray("rate_limits"u8);
            Write(json, _requests, "requests");
            Write(json, _tokens, "tokens");
            json.WriteEndArray();
        }
    }

    private void Write(Utf8JsonWriter json, TokenBucket? bucket, string unit)
    {
        if (bucket is not null)
        {
            long now = _time.GetTimestamp();
            json.WriteStartObject();
            json.WriteString("name"u8, unit);
            json.WriteNumber("limit"u8, bucket.PerMinute);
            json.WriteNumber("remaining"u8, bucket.Remaining(now));
            json.WriteNumber("reset_seconds"u8, Math.Round(bucket.UntilFull(now).TotalSeconds, 3));
            json.WriteEndObject();
        }
    }

    private void Write(IHeaderDictionary headers, TokenBucket? bucket, string unit)
    {
        if (bucket is not null)
        {
            long now = _time.GetTimestamp();
            headers["x-ratelimit-limit-" + unit] = bucket.PerMinute.ToString(CultureInfo.InvariantCulture);
            headers["x-ratelimit-remaining-" + unit] = bucket.Remaining(now).ToString(CultureInfo.InvariantCulture);
            headers["x-ratelimit-reset-" + unit] = ResetDuration.Text(bucket.UntilFull(now));
        }
    }

    private void Take(TokenBucket? bucket, double amount, string unit, string shortUnit)
    {
        if (bucket is null)
        {
            return;
        }

        lock (_lock)
        {
            long now = _time.GetTimestamp();
            long requested = (long)Math.Ceiling(amount);
            if (requested > bucket.PerMinute)
            {
                throw new OpenAiException(OpenAiError.LargerThanLimit(_project, unit, shortUnit, bucket.PerMinute, requested));
            }

            TimeSpan wait = bucket.UntilThere(amount, now);
            if (wait > TimeSpan.Zero)
            {
                long used = bucket.PerMinute - bucket.Remaining(now);
                throw new OpenAiException(OpenAiError.RateLimited(_project, unit, shortUnit, bucket.PerMinute, used, requested, wait));
            }

            bucket.Take(amount, now);
        }
    }

    private TokenBucket? Bucket(long perMinute) => perMinute > 0 ? new TokenBucket(perMinute, _time.GetTimestamp(), _time) : null;
}
