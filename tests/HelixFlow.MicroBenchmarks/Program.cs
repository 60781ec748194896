using BenchmarkDotNet.Running;

// In this process: a generated project would not know the solution's build rules. `--job short --filter '*'` measures all in some minutes.
string[] arguments = Array.Exists(args, argument => argument is "-i" or "--inProcess") ? args : ["--inProcess", .. args];
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(arguments);
